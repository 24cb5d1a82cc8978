"""A document's text in pieces that are searched, quoted and shown to an engine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from replyx.knowledge.extract import Block, Extract

#: Characters of a piece: what is aimed at, and what is never passed.
TARGET, LONGEST = 700, 900
#: A last piece shorter than this joins the one before, where both still fit.
_SHORT = 200
_SENTENCE = re.compile(r"(?<=[.!?…;])[\"»”)]*\s+(?=[\"«“(]?[A-ZА-ЯЁ0-9•])")
_LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True)
class Piece:
    """A chunk before it is stored; `page` is where it starts."""

    text: str
    page: int | None
    heading: str | None


def chunk(extract: Extract) -> list[Piece]:
    """Pieces in reading order. None crosses a heading; each ends at a paragraph, else a sentence, else a word."""
    pieces: list[Piece] = []
    for heading, blocks in _sections(extract.blocks):
        pieces += _section_pieces(heading, blocks)
    return [piece for piece in pieces if _LETTER.search(piece.text)]


def _sections(blocks: Iterable[Block]) -> Iterator[tuple[str | None, list[Block]]]:
    """Runs of blocks under one heading: a section that goes over pages is one."""
    run: list[Block] = []
    for block in blocks:
        if run and block.heading != run[0].heading:
            yield run[0].heading, run
            run = []
        run.append(block)
    if run:
        yield run[0].heading, run


def _section_pieces(heading: str | None, blocks: list[Block]) -> list[Piece]:
    pieces: list[Piece] = []
    parts: list[str] = []
    page: int | None = None
    size = 0
    for text, number in _paragraphs(blocks):
        if parts and (size + len(text) > LONGEST or size >= TARGET):
            pieces.append(Piece("\n".join(parts), page, heading))
            parts, size = [], 0
        if not parts:
            page = number
        parts.append(text)
        size += len(text) + 1
    if parts:
        pieces.append(Piece("\n".join(parts), page, heading))
    return _without_short_end(pieces)


def _without_short_end(pieces: list[Piece]) -> list[Piece]:
    if len(pieces) < 2 or len(pieces[-1].text) >= _SHORT:
        return pieces
    before, last = pieces[-2:]
    if len(before.text) + len(last.text) > LONGEST + _SHORT:
        return pieces
    return [*pieces[:-2], Piece(f"{before.text}\n{last.text}", before.page, before.heading)]


def _paragraphs(blocks: Iterable[Block]) -> Iterator[tuple[str, int | None]]:
    """Paragraphs with their pages, none longer than a piece may be; one that a page break cut is joined."""
    open_text: str | None = None
    open_page: int | None = None
    for block in blocks:
        for line in block.text.split("\n"):
            if not line:
                continue
            goes_on = open_text is not None and open_page != block.page and line[0].islower()
            if goes_on and not (open_text or "").endswith((".", "!", "?", ":", ";")):
                open_text = f"{open_text} {line}"
                continue
            if open_text:
                yield from ((part, open_page) for part in _fitting(open_text))
            open_text, open_page = line, block.page
    if open_text:
        yield from ((part, open_page) for part in _fitting(open_text))


def _fitting(paragraph: str) -> Iterator[str]:
    """The paragraph in parts of whole sentences, each at most `LONGEST` characters."""
    if len(paragraph) <= LONGEST:
        yield paragraph
        return
    part = ""
    for sentence in _SENTENCE.split(paragraph):
        for bit in _hard_split(sentence):
            if part and len(part) + len(bit) + 1 > TARGET:
                yield part
                part = ""
            part = f"{part} {bit}" if part else bit
    if part:
        yield part


def _hard_split(sentence: str) -> Iterator[str]:
    """A sentence without end is cut between words, a word without end anywhere."""
    while len(sentence) > LONGEST:
        cut = sentence.rfind(" ", TARGET // 2, LONGEST)
        cut = LONGEST if cut < 0 else cut
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
    if sentence:
        yield sentence
