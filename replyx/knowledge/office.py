"""DOCX, PPTX and ODT: paragraphs under headings, list items, tables by rows; slides as pages, with their notes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from replyx.knowledge.archive import Archive, Event
from replyx.knowledge.extract import Extract
from replyx.knowledge.failures import Unreadable
from replyx.knowledge.gathering import Gatherer

_HEADING_STYLE = re.compile(r"(?:heading|заголовок|title|название)\s*\d*$", re.IGNORECASE)
#: Parts that say the same a second time, what was struck out, and remarks beside the text.
_SKIPPED = {
    "docx": ("Fallback", "del", "moveFrom", "instrText"),
    "pptx": ("Fallback", "extLst"),
    "odt": ("tracked-changes", "annotation", "note-citation", "forms", "sequence-decls"),
}
_SPACES = {"tab": "\t", "br": "\n", "cr": "\n", "line-break": "\n", "noBreakHyphen": "-", "s": " "}
_TITLES = ("title", "ctrTitle")
#: Notes under slides that are looked for.
_NOTES = re.compile(r"notesSlide$")


def read_docx(data: bytes) -> Extract:
    """A Word document. Raises Unreadable."""
    archive = Archive(data)
    main = next((name for name in _targets(archive, "_rels/.rels", "officeDocument")), "word/document.xml")
    headings = _heading_styles(archive, posixpath.join(posixpath.dirname(main), "styles.xml"))
    out = Gatherer()
    _Walk(out, "docx", headings).through(archive.events(main))
    notes = posixpath.join(posixpath.dirname(main), "footnotes.xml")
    if notes in archive:
        _Walk(out, "docx", headings).through(archive.events(notes))
    out.end_block()
    return Extract(tuple(out.blocks), pages=0)


def read_odt(data: bytes) -> Extract:
    """An OpenDocument text. Raises Unreadable."""
    archive = Archive(data)
    manifest = "META-INF/manifest.xml"
    if manifest in archive and any(event.name == "encryption-data" for event in archive.events(manifest)):
        raise Unreadable("encrypted")
    out = Gatherer()
    _Walk(out, "odt", frozenset()).through(archive.events("content.xml"))
    out.end_block()
    return Extract(tuple(out.blocks), pages=0)


def read_pptx(data: bytes) -> Extract:
    """A presentation; a page is a slide. Raises Unreadable."""
    archive = Archive(data)
    slides = _slides(archive)
    out = Gatherer()
    for number, name in enumerate(slides, 1):
        out.page = number
        _Walk(out, "pptx", frozenset()).through(archive.events(name))
        folder, file = posixpath.split(name)
        for notes in _targets(archive, f"{folder}/_rels/{file}.rels", "notesSlide"):
            _Walk(out, "pptx", frozenset()).through(archive.events(notes))
        out.end_block(forget_heading=True)
    return Extract(tuple(out.blocks), pages=len(slides))


def _slides(archive: Archive) -> list[str]:
    """Slides in the order in which they are shown."""
    main = next((name for name in _targets(archive, "_rels/.rels", "officeDocument")), "ppt/presentation.xml")
    folder, file = posixpath.split(main)
    places = _relations(archive, f"{folder}/_rels/{file}.rels")
    shown = [event.attributes.get("id", "") for event in archive.events(main) if _is_start(event, "sldId")]
    # `id` is the slide's number and its relation alike, under two namespaces; the last one read is kept.
    found = [places[key][1] for key in shown if key in places]
    if found:
        return [name for name in found if name in archive]
    names = [name for name in archive.names() if re.fullmatch(r"ppt/slides/slide\d+\.xml", name)]
    return sorted(names, key=lambda name: int(re.sub(r"\D", "", name)))


def _targets(archive: Archive, relations: str, kind: str) -> Iterator[str]:
    for its_kind, target in _relations(archive, relations).values():
        if its_kind.rsplit("/", 1)[-1] == kind and target in archive:
            yield target


def _relations(archive: Archive, name: str) -> dict[str, tuple[str, str]]:
    """Id → kind and full name of the part; those that lead out of the file are left out."""
    if name not in archive:
        return {}
    folder = posixpath.dirname(posixpath.dirname(name))
    found = {}
    for event in archive.events(name):
        if _is_start(event, "Relationship") and event.attributes.get("TargetMode") != "External":
            target = event.attributes.get("Target", "")
            place = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
            found[event.attributes.get("Id", "")] = (event.attributes.get("Type", ""), place.lstrip("/"))
    return found


def _heading_styles(archive: Archive, name: str) -> frozenset[str]:
    """Ids of the styles that make a heading: by their outline level, or by their name."""
    found: set[str] = set()
    if name not in archive:
        return frozenset(("Heading1", "Heading2", "Heading3", "Title"))
    style = ""
    for event in archive.events(name):
        if _is_start(event, "style"):
            style = event.attributes.get("styleId", "")
        elif event.kind == "start" and _makes_heading(event):
            found.add(style)
    return frozenset(found)


def _makes_heading(event: Event) -> bool:
    value = event.attributes.get("val", "")
    if event.name == "outlineLvl":
        return value in tuple("012345678")
    return event.name == "name" and bool(_HEADING_STYLE.match(value))


def _is_start(event: Event, name: str) -> bool:
    return event.kind == "start" and event.name == name


class _Walk:
    """One pass over a part. The three formats name the same things differently; nothing else tells them apart."""

    _PARAGRAPHS = ("p", "h")
    _TABLES, _ROWS, _CELLS = ("tbl", "table"), ("tr", "table-row"), ("tc", "table-cell")

    def __init__(self, out: Gatherer, kind: str, heading_styles: frozenset[str]) -> None:
        self._out, self._kind, self._headings = out, kind, heading_styles
        self._skip = _SKIPPED[kind]
        self._skipped_in = 0
        #: Open paragraphs, from the outside in: a text box stands inside one.
        self._texts: list[list[str]] = []
        self._is_heading, self._is_item, self._is_title = False, False, False
        self._in_text = kind == "odt"
        self._items = 0
        self._repeat = 0

    def through(self, events: Iterator[Event]) -> None:
        for event in events:
            if event.kind == "text":
                if self._texts and self._in_text and not self._skipped_in:
                    self._texts[-1].append(event.text)
            elif event.name in self._skip:
                self._skipped_in += 1 if event.kind == "start" else -1
            elif self._skipped_in:
                continue
            elif event.kind == "start":
                self._start(event.name, event.attributes)
            else:
                self._end(event.name)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in self._PARAGRAPHS:
            self._texts.append([])
            self._is_heading = name == "h"
            self._is_item = self._items > 0
        elif name in self._TABLES:
            self._out.begin_table()
        elif name in self._ROWS:
            self._out.begin_row()
        elif name in self._CELLS:
            self._out.begin_cell()
            self._repeat = _number(attributes.get("number-columns-spanned") or attributes.get("gridSpan"))
        elif name == "t":
            self._in_text = True
        elif name in _SPACES and self._texts:
            self._texts[-1].append(_SPACES[name])
        else:
            self._note(name, attributes)

    def _note(self, name: str, attributes: dict[str, str]) -> None:
        """What says something about the paragraph or cell that is open."""
        value = attributes.get("val", "")
        if name == "pStyle":
            self._is_heading = value in self._headings
        elif name == "outlineLvl" and self._texts:
            self._is_heading = value in tuple("012345678")
        elif name == "numPr":
            self._is_item = True
        elif name == "list-item":
            self._items += 1
        elif name == "sp":
            self._is_title = False
        elif name == "ph" and attributes.get("type") in _TITLES:
            self._is_title = True
        elif name == "gridSpan":
            self._repeat = _number(value)
        elif name == "vMerge" and value != "restart":
            self._out.repeat_cell_above()

    def _end(self, name: str) -> None:
        if name in self._PARAGRAPHS and self._texts:
            text = "".join(self._texts.pop())
            if self._is_heading or self._is_title:
                self._out.heading(text)
            else:
                self._out.paragraph(text, is_item=self._is_item)
            self._is_heading = self._is_item = False
        elif name == "t":
            self._in_text = self._kind == "odt"
        elif name == "list-item":
            self._items -= 1
        elif name in self._CELLS:
            self._out.skip_cells(self._repeat - 1)
            self._repeat = 0
        elif name in self._TABLES:
            self._out.end_table()


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 4 else 0
