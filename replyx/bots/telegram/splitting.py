"""A long text as several messages of Telegram: cut between paragraphs, sentences or words, never inside a character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from replyx.bots.telegram.markup import Rich

#: Longest text of one message, in UTF-16 units without tags.
LIMIT = 4096

_SENTENCE_END = re.compile(r"[.!?…][\"»”’)\]]*(?=\s)")
_ZERO_WIDTH_JOINER = "\u200d"

#: Where to cut, best first: the position behind the last match in a text.
_BOUNDARIES: tuple[Callable[[str], int], ...] = (
    lambda text: text.rfind("\n\n"),
    lambda text: text.rfind("\n"),
    lambda text: max((m.end() for m in _SENTENCE_END.finditer(text)), default=-1),
    lambda text: max(text.rfind(" "), text.rfind("\t")),
)


def split(whole: Rich, limit: int = LIMIT) -> list[Rich]:
    """`whole` in parts of at most `limit` UTF-16 units (2 or more); none where there is nothing but space.

    Only space between parts is dropped. Styles that reach over a cut are ended before it and begun again behind it.
    A boundary counts where the part before it is at least half as long as it may be.
    """
    parts: list[Rich] = []
    start = _skip_space(whole.text, 0)
    while start < len(whole.text):
        end = _fitting(whole.text, start, limit)
        if end < len(whole.text):
            end = _boundary(whole.text, start, end)
        part = whole.cut(start, start + len(whole.text[start:end].rstrip()))
        if part.text:
            parts.append(part)
        start = _skip_lines(whole.text, end)
    return parts


def _fitting(text: str, start: int, limit: int) -> int:
    """The end of the longest piece from `start` that takes at most `limit` units."""
    units = 0
    for position in range(start, len(text)):
        units += 2 if ord(text[position]) > 0xFFFF else 1
        if units > limit:
            return position
    return len(text)


def _boundary(text: str, start: int, end: int) -> int:
    """Where to cut between `start` and `end`."""
    # A boundary may also stand right behind the piece.
    piece = text[start : end + 1]
    least = len(piece) // 2
    for last_in in _BOUNDARIES:
        found = last_in(piece)
        if found > least:
            return start + found
    return _whole_character(text, start, end)


def _whole_character(text: str, start: int, end: int) -> int:
    """`end`, or a little before it, so that an accent or a joined emoji stays with what it belongs to."""
    for cut in range(end, max(start, end - 16), -1):
        before, after = text[cut - 1], text[cut]
        joined = _ZERO_WIDTH_JOINER in (before, after) or 0xFE00 <= ord(after) <= 0xFE0F
        if not joined and not unicodedata.combining(after) and not 0x1F3FB <= ord(after) <= 0x1F3FF:
            return cut
    return end


def _skip_space(text: str, start: int) -> int:
    return len(text) - len(text[start:].lstrip())


def _skip_lines(text: str, start: int) -> int:
    """Behind the space that a cut leaves; the indentation of the next line stays."""
    rest = text[start:]
    space = rest[: len(rest) - len(rest.lstrip())]
    if "\n" not in space or not rest.strip():
        return start + len(space)
    return start + space.rindex("\n") + 1
