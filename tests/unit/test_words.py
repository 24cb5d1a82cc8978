"""Stems are the same whoever else asks for stems at the same moment."""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor

from replyx.knowledge import words as remembered
from replyx.knowledge.words import stems

_BEGINNINGS = ("достав", "returning", "заморажива", "generous", "возвраща", "shipping", "оплачива", "considerat")
_ENDS = ("ность", "ions", "ется", "ingly", "ованные", "ational", "аниями", "edness")


def _words(salt: str) -> list[str]:
    return [f"{head}{salt}{end}" for head, end in itertools.product(_BEGINNINGS, _ENDS)]


def test_threads_do_not_get_each_others_stems() -> None:
    # Words that nobody has asked for: what is known is not stemmed again.
    texts = [_words(chr(ord("a") + one) * 2) for one in range(26)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda words: stems(" ".join(words)), texts))
    finally:
        sys.setswitchinterval(before)

    remembered._stems.clear()
    assert found == [stems(" ".join(words)) for words in texts]
