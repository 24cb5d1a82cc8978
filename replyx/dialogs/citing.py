"""Numbers behind the sentences of an answer: each that rests on a passage names it, none names what is not there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from replyx.knowledge.words import is_common, stems
from replyx.llm.engine import Passage
from replyx.llm.sentences import split

#: The share of a sentence's telling words that the passage it rests on has.
_RESTS = 0.6
#: Telling words without which a sentence says nothing that could rest on anything.
_LEAST = 2

_NUMBERS = re.compile(r"\s?\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_END = re.compile(r"[.!?…:;]*[\"'»”’)\]]*$")


def cited(text: str, passages: Sequence[Passage]) -> str:
    """`text` with the number of its passage in each sentence that rests on one; numbers of no passage are left out."""
    if not passages:
        return text
    known = [_words_of(f"{p.heading or ''}\n{p.in_context}") for p in passages]
    text = _NUMBERS.sub(lambda match: _real(match, len(passages)), text)
    result: list[str] = []
    at = 0
    units = split(text)
    for n, unit in enumerate(units):
        # A number behind the full stop is its sentence's, though it stands at the beginning of the next.
        following = text[unit.end : units[n + 1].end if n + 1 < len(units) else len(text)]
        sentence = text[unit.start : unit.end]
        result.append(text[at : unit.end])
        at = unit.end
        if unit.is_heading or _NUMBERS.search(sentence) or _NUMBERS.match(following.lstrip(" ")):
            continue
        number = _rests_on(sentence, known)
        if number:
            last = _END.search(result[-1])
            cut = last.start() if last else len(result[-1])
            result[-1] = f"{result[-1][:cut]} [{number}]{result[-1][cut:]}"
    return "".join([*result, text[at:]])


#: Many questions find the same passages.
@lru_cache(maxsize=512)
def _words_of(passage: str) -> frozenset[str]:
    return frozenset(stems(passage))


def _real(match: re.Match[str], count: int) -> str:
    numbers = [int(number) for number in match[1].split(",")]
    kept = [number for number in numbers if 1 <= number <= count]
    if kept == numbers:
        return match[0]
    # A year or a size in brackets is no citation.
    if not kept and min(numbers) > 99:
        return match[0]
    return f" [{', '.join(map(str, kept))}]" if kept else ""


def _rests_on(sentence: str, known: Sequence[frozenset[str]]) -> int:
    """The number of the passage that has most of the sentence's telling words; 0 where none has enough."""
    telling = {stem for stem in stems(sentence) if not is_common(stem)}
    if len(telling) < _LEAST:
        return 0
    shares = [len(telling & one) / len(telling) for one in known]
    best = max(range(len(shares)), key=lambda n: (shares[n], -n))
    return best + 1 if shares[best] >= _RESTS else 0
