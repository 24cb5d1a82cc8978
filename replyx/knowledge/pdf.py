"""PDF as blocks: text by whichever library reads a page better, headings from the outline, page furniture left out.

pypdfium2 comes first: files from TeX keep their spaces with it, it reads ten times faster, and its outline of the
Debian FAQ is the same as pypdf's, in a tenth of the time. pypdf is loaded for what pypdfium2 reads badly or not at all:
it repairs files that pypdfium2 refuses, and the better text of the two is taken by measure, page by page.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from functools import cached_property
from itertools import islice
from typing import Any

from replyx.knowledge.extract import Block, Extract, as_heading, clean
from replyx.knowledge.failures import Unreadable
from replyx.knowledge.pages import Page, join_hyphens, outline_blocks, without_furniture

logger = logging.getLogger(__name__)

#: Pages whose text is at least this good (see `quality`) are not read a second time.
_GOOD = 0.9
#: Pages that are looked at once more where none has text: a scan of hundreds need not be gone through twice.
_LAST_HOPE = 20
#: Most outline entries that are followed: an outline may be a loop.
_MAX_OUTLINE = 5000

_WORDS = re.compile(r"[^\W\d_]+")
_VISIBLE = re.compile(r"\S")
_GARBAGE = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]|\\(cid:\\d+\\)")


def quality(text: str) -> float:
    """How much `text` looks like language, 0 … 1: words of plausible length, no garbage. 0 where it has no letters.

    The share of letters that stand in words of 2 to 24 letters, less the share of unreadable characters: a page
    without its spaces is one long word, a page of spaced letters only short ones.
    """
    visible = len(_VISIBLE.findall(text))
    words = _WORDS.findall(text)
    letters = sum(map(len, words))
    if not visible or not letters:
        return 0.0
    plausible = sum(len(word) for word in words if len(word) <= 24)
    single = sum(len(word) == 1 for word in words)
    # Up to a third of one-letter words is normal («и», "a", formulas).
    spaced = max(0.0, single / len(words) - 0.34)
    garbage = len(_GARBAGE.findall(text)) / visible
    return max(0.0, plausible / letters - spaced - 2 * garbage)


def read_pdf(data: bytes, max_pages: int, on_page: Callable[[int, int], None]) -> Extract:
    """The text of a PDF; `on_page(done, of)` is called as pages are read.

    Raises:
        Unreadable: encrypted, corrupt, too_many_pages, no_text.
    """
    document = _open_pdfium(data)
    second = _Second(data)
    count = len(document) if document is not None else second.pages
    if not count:
        raise Unreadable("corrupt")
    if count > max_pages:
        raise Unreadable("too_many_pages")
    texts = []
    for index in range(count):
        texts.append(_page_text(document, second, index))
        on_page(index + 1, count)
    if not any(texts):
        # A picture of text, or a text that only the other library sees.
        texts = [second.text(index) for index in range(min(count, _LAST_HOPE))]
    if not any(texts):
        raise Unreadable("no_text")
    outline = _pdfium_outline(document) or (second.outline() if second.is_open else [])
    lines = [text.split("\n") for text in join_hyphens([clean(text) for text in texts])]
    pages = [Page(number, kept) for number, kept in enumerate(without_furniture(lines), 1)]
    blocks = outline_blocks(pages, sorted(outline, key=lambda entry: entry[1]))
    read = tuple(Block(b.text, b.page, as_heading(b.heading)) for b in blocks)
    return Extract(read, count, tuple(n + 1 for n, text in enumerate(texts) if not text and _is_picture(document, n)))


def _page_text(document: Any, second: _Second, index: int) -> str:
    """The page's text by the library that reads it better."""
    if document is None:
        return second.text(index)
    first = _by_pdfium(document, index)
    if not first.strip():
        return ""
    score = quality(first)
    if score >= _GOOD:
        return first
    other = second.text(index)
    return other if quality(other) > score else first


def _is_picture(document: Any, index: int) -> bool:
    """Whether a page without text shows a picture: a scan, as far as one can tell."""
    import pypdfium2
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

    if document is None:
        return False
    try:
        page = document[index]
        found = next(iter(page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE], max_depth=3)), None) is not None
        page.close()
    except pypdfium2.PdfiumError:
        return False
    return found


def _open_pdfium(data: bytes) -> Any:
    import pypdfium2
    from pypdfium2.raw import FPDF_ERR_PASSWORD

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == FPDF_ERR_PASSWORD:
            raise Unreadable("encrypted") from error
        return None


def _by_pdfium(document: Any, index: int) -> str:
    import pypdfium2

    try:
        page = document[index]
        text_page = page.get_textpage()
        text = str(text_page.get_text_range())
        text_page.close()
        page.close()
    except pypdfium2.PdfiumError:
        return ""
    # U+FFFE stands where the line ended in a hyphen.
    return text.replace("\ufffe", "\u2010\n").replace("\x02", "\u2010\n")


def _pdfium_outline(document: Any) -> list[tuple[str, int]]:
    """Titles with their pages; empty where there is no outline or it is broken."""
    import pypdfium2

    if document is None:
        return []
    found = []
    try:
        for entry in islice(document.get_toc(max_depth=15), _MAX_OUTLINE):
            place = entry.get_dest()
            page = place.get_index() if place is not None else None
            if page is not None and entry.get_title():
                found.append((str(entry.get_title()), page + 1))
    except (pypdfium2.PdfiumError, ValueError) as error:
        logger.debug("the outline cannot be read", extra={"reason": type(error).__name__})
    return found


class _Second:
    """pypdf's view of the file, opened when it is first asked; a file that it cannot read has no pages."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.is_open = False

    @cached_property
    def _reader(self) -> Any:
        import pypdf

        self.is_open = True
        try:
            reader = pypdf.PdfReader(io.BytesIO(self._data))
            if reader.is_encrypted and not reader.decrypt(""):
                raise Unreadable("encrypted")
            _ = len(reader.pages)
        except _stumbles() as error:
            logger.debug("pypdf cannot read the file", extra={"reason": type(error).__name__})
            return None
        return reader

    @property
    def pages(self) -> int:
        return len(self._reader.pages) if self._reader is not None else 0

    def text(self, index: int) -> str:
        if self._reader is None:
            return ""
        try:
            return str(self._reader.pages[index].extract_text() or "")
        except _stumbles() as error:
            logger.debug("pypdf cannot read a page", extra={"page": index + 1, "reason": type(error).__name__})
            return ""

    def outline(self) -> list[tuple[str, int]]:
        """Titles with their pages; empty where there is no outline or it is broken."""
        if self._reader is None:
            return []
        try:
            return _flat(self._reader, self._reader.outline)
        except _stumbles() as error:
            logger.debug("the outline cannot be read", extra={"reason": type(error).__name__})
            return []


def _stumbles() -> tuple[type[Exception], ...]:
    """What pypdf raises over broken files: its own errors, and whatever a broken value makes it do.

    Memory and recursion are not among them: those end the reading.
    """
    import struct
    import zlib

    from pypdf.errors import DependencyError, PyPdfError

    own = (PyPdfError, DependencyError, zlib.error, struct.error)
    return (*own, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, OSError)


def _flat(reader: Any, nodes: list[Any]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    stack = [iter(nodes)]
    while stack and len(found) < _MAX_OUTLINE:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
        elif isinstance(node, list):
            stack.append(iter(node))
        else:
            number = reader.get_destination_page_number(node)
            if number is not None and number >= 0 and node.title:
                found.append((str(node.title), number + 1))
    return found
