"""Questions that lean on what was said before: «а сколько это стоит?» is searched for with the words it leans on.

No model is asked: a short question that begins with «а», "and" or the like, or points at something by a pronoun, or has
no telling word of its own, takes along the customer's last question that stood by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from replyx.knowledge.words import is_common, stems
from replyx.llm.engine import Turn

#: A question with more telling words than this stands by itself.
_FEW = 4
#: Earlier questions that are looked through for one that stands by itself.
_BACK = 4

_WORD = re.compile(r"\w+")
_BEGINS = re.compile(
    r"\s*(?:а|и|но|тогда|а\s+если|а\s+как|а\s+что|ну\s+а|and|but|what\s+about|how\s+about|so)\b", re.IGNORECASE
)
_POINTING = (
    "это этого этому этим этом эта эту этой этот эти этих том того тот та ту те тех такой такая такое такие "
    "он она оно они его ее её их ему ей им ими ней нем нём него нее неё них там туда оттуда тогда "
    "it its this that these those they them their there then one ones he she him her"
)
_POINTS = frozenset(_POINTING.split())


def leans(question: str) -> bool:
    """Whether the question cannot be understood without what was said before."""
    telling = [stem for stem in stems(question) if not is_common(stem)]
    if len(telling) > _FEW:
        return False
    words = {word.lower() for word in _WORD.findall(question)}
    return not telling or bool(words & _POINTS) or _BEGINS.match(question) is not None


def standing(question: str, history: Sequence[Turn]) -> str:
    """The question as it is searched for: by itself, or behind the one it leans on."""
    if not leans(question):
        return question
    asked = [turn.text for turn in history if turn.role == "user"]
    behind = next((earlier for earlier in reversed(asked[-_BACK:]) if not leans(earlier)), None)
    return question if behind is None else f"{behind}\n{question}"
