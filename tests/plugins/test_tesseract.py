"""Scans through Debian's own tesseract, in the same cage as every reader of plugins."""

from __future__ import annotations

import zlib
from pathlib import Path

import pypdfium2

from replyx.config.settings import KnowledgeSettings
from replyx.events.memory import MemoryBus
from replyx.knowledge.cage import read_document
from replyx.knowledge.knowledge import Knowledge
from replyx.plugins.uploads import TextExtractor
from replyx.storage.database import Database
from tests.conftest import Configure
from tests.domain.library import Library
from tests.support.clock import MovableClock
from tests.support.pdfs import drawn_pdf, pdf
from tests.support.plugins import load


def _extractors(configure: Configure) -> dict[str, TextExtractor]:
    host = load(configure(REPLYX_PLUGIN_TESSERACT__ENABLED="true"))
    return {extractor.content_type: extractor for extractor in host.text_extractors}


def _picture(lines: list[str]) -> tuple[int, int, bytes]:
    """Width, height and shades of a drawn page."""
    bitmap = pypdfium2.PdfDocument(pdf([lines]))[0].render(scale=2, grayscale=True)
    raw = bytes(bitmap.buffer)
    rows = (raw[start : start + bitmap.width] for start in range(0, bitmap.stride * bitmap.height, bitmap.stride))
    return bitmap.width, bitmap.height, b"".join(rows)


def test_scanned_pages_are_recognised_between_those_that_have_text(configure: Configure, tmp_path: Path) -> None:
    width, height, shades = _picture(["Delivery costs three hundred roubles."])
    path = tmp_path / "file"
    path.write_bytes(drawn_pdf(["Returns take a week."], width, height, zlib.compress(shades)))

    found = read_document(path, _extractors(configure)["application/pdf"], KnowledgeSettings(), lambda done, of: None)

    assert [(block.page, block.text) for block in found.blocks] == [
        (1, "Returns take a week."),
        (2, "Delivery costs three hundred roubles."),
    ]


def test_a_picture_is_read_and_nothing_is_where_the_plugin_is_off(configure: Configure, tmp_path: Path) -> None:
    width, height, shades = _picture(["Open from nine to six."])
    path = tmp_path / "file"
    rows = b"".join(b"\x00" + shades[start : start + width] for start in range(0, len(shades), width))
    path.write_bytes(_png(width, height, zlib.compress(rows)))

    found = read_document(path, _extractors(configure)["image/png"], KnowledgeSettings(), lambda done, of: None)

    assert found.blocks[0].text == "Open from nine to six."
    assert load(configure()).text_extractors == ()


def test_an_uploaded_scan_is_read_by_the_plugin(
    sqlite_db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure
) -> None:
    config = configure(REPLYX_PLUGIN_TESSERACT__ENABLED="true")
    width, height, shades = _picture(["Delivery costs three hundred roubles."])
    scan = drawn_pdf([], width, height, zlib.compress(shades))
    library = Library(sqlite_db, bus, clock, config)
    library.knowledge = Knowledge(sqlite_db, bus, clock, library.queue, config, load(config))

    view = library.teach(scan, "scan.pdf")

    assert (view.status, view.content_type, view.pages) == ("completed", "application/pdf", 2)
    assert library.knowledge.search(library.assistant, "how much is delivery").passages[0].page == 2


def _png(width: int, height: int, packed: bytes) -> bytes:
    def part(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", packed) + part(b"IEND", b"")
