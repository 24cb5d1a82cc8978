"""Splits a passage into sentences and list items, each a span of the passage: Russian and English, no model. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Words before a full stop that does not end a sentence.
_NOT_ENDS = """
    т д п е к н ч г гг в вв р руб коп тыс млн млрд мин сек ч см рис стр гл ст пп п пр др ул д кв корп обл им напр
    англ рус лат проф акад тел доб т.е т.к т.д т.п т.н т.ч и.о
    e.g i.e etc vs cf mr mrs ms dr prof st jr sr inc ltd co corp no vol fig figs sec ch pp p ed eds al approx dept est
    jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m u.s u.k ph.d
"""
_ABBREVIATIONS = frozenset(_NOT_ENDS.split())

#: A line that begins a list item.
_BULLET = re.compile(r"[ \t]*(?:[-–—*•◦▪‣·]|\(?\d{1,3}[.)]|\(?[a-zа-я]\))[ \t]+(?=\S)")

#: A line that is no prose: a heading, by hash signs or a chapter's number.
_HEADING = re.compile(r"[ \t]*(?:#{1,6}[ \t]+|(?:Глава|Chapter)?[ \t]*\d+(?:\.\d+)+\.?[ \t]+)(?=\S)")

_END = re.compile(r"[.!?…]+[\"'»”’)\]]*(?=\s|$)")
_WORD_BEFORE = re.compile(r"[\w.]*\w$")
_STARTS_SENTENCE = re.compile(r"\s+[\"'«“‘(\[]*[A-ZА-ЯЁ0-9]|\s*$")


@dataclass(frozen=True)
class Unit:
    """`text[start:end]`: one sentence, list item or heading. `block` counts paragraphs and lists."""

    start: int
    end: int
    block: int
    is_item: bool = False
    is_heading: bool = False


def split(text: str) -> list[Unit]:
    """The units of `text` in order; spaces between them belong to none."""
    units: list[Unit] = []
    block = -1
    for start, end, kind, new_block in _lines(text):
        block += new_block
        spans = _sentences(text, start, end) if kind == "prose" else [(start, end)]
        units += [Unit(a, b, block, kind == "item", kind == "heading") for a, b in spans]
    return units


def _lines(text: str) -> list[tuple[int, int, str, bool]]:
    """Runs of lines that belong together: (start, end, kind, whether a new block begins)."""
    runs: list[tuple[int, int, str, bool]] = []
    after_blank = True
    for match in re.finditer(r"[^\n]+", text):
        line, start, end = match.group(), match.start(), match.end()
        if not line.strip():
            after_blank = True
            continue
        blank_before = after_blank or "\n\n" in text[runs[-1][1] : start]
        after_blank = False
        start += len(line) - len(line.lstrip())
        end -= len(line) - len(line.rstrip())
        kind = "item" if _BULLET.match(line) else "heading" if _is_heading(line) else "prose"
        previous = runs[-1][2] if runs else ""
        # A heading that is broken into two lines goes on with a small letter.
        goes_on = previous in ("prose", "item") or (previous == "heading" and line.lstrip()[0].islower())
        if kind == "prose" and not blank_before and goes_on:
            runs[-1] = (runs[-1][0], end, previous, runs[-1][3])
        else:
            joins_list = kind == "item" and previous == "item"
            runs.append((start, end, kind, not runs or not (joins_list or (kind == "item" and not blank_before))))
    return runs


def _is_heading(line: str) -> bool:
    return bool(_HEADING.match(line)) and not line.rstrip().endswith((".", ";", ","))


def _sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    spans = []
    begin = start
    for match in _END.finditer(text, start, end):
        if not _ends_sentence(text, begin, match, end):
            continue
        spans.append((begin, match.end()))
        begin = match.end()
        while begin < end and text[begin].isspace():
            begin += 1
    if begin < end:
        spans.append((begin, end))
    return spans


def _ends_sentence(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    if not _STARTS_SENTENCE.match(text[match.end() : min(end, match.end() + 8)]):
        return False
    if match.group()[0] != ".":
        return True
    word = _WORD_BEFORE.search(text[max(begin, match.start() - 20) : match.start()])
    if word is None:
        return True
    before = word.group()
    # "А. С. Пушкин", "J. Smith": a single capital is an initial; "п. 5" and "т. е." stand in the list.
    initial = len(before) == 1 and before.isalpha() and before.isupper()
    numbered = before.isdigit() and begin == match.start() - len(before)
    return not (initial or numbered or before.lower() in _ABBREVIATIONS)
