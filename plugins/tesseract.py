"""Tesseract: recognises the text of scanned pages and pictures, with the program of that name."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replyx.clock import Clock
from replyx.config.settings import setting
from replyx.errors import ConfigError
from replyx.knowledge.failures import Unreadable
from replyx.knowledge.pdf import read_pdf
from replyx.plugins.hooks import Plugin
from replyx.plugins.uploads import TextBlock, TextExtractor

#: Dots an inch that pages are drawn with, and most pixels of one.
_DPI, _MOST_PIXELS = 200, 12_000_000
#: Pages that are recognised; a page takes seconds.
_MAX_PAGES = 300
#: Languages that are asked for where they are installed, in this order.
_LANGUAGES = ("rus", "eng", "ukr", "kaz", "deu", "fra", "spa")
_ENVIRONMENT = {"OMP_THREAD_LIMIT": "1", "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Settings:
    enabled: bool = setting(False, "Whether scans are recognised; the program `tesseract` must be installed.")
    seconds: float = setting(600.0, "Longest time for one document, in seconds; a page takes about three.", low=1)


class Tesseract(Plugin):
    """Reads PDF and pictures where it is enabled."""

    settings_type = Settings

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Raises ConfigError where it is enabled and there is no program."""
        super().__init__(settings, clock)
        if settings.enabled and shutil.which("tesseract", path=_ENVIRONMENT["PATH"]) is None:
            raise ConfigError(
                "plugin.tesseract: программы tesseract нет. Выполните: apt-get install tesseract-ocr tesseract-ocr-rus",
                "plugin.tesseract: there is no program tesseract. Run: apt-get install tesseract-ocr tesseract-ocr-rus",
            )

    def text_extractors(self) -> Sequence[TextExtractor]:
        if not self.settings.enabled:
            return ()
        seconds = self.settings.seconds
        return (
            TextExtractor("application/pdf", ("pdf",), b"%PDF-", read_scanned_pdf, seconds),
            TextExtractor("image/png", ("png",), b"\x89PNG", read_picture, seconds),
            TextExtractor("image/jpeg", ("jpg", "jpeg"), b"\xff\xd8\xff", read_picture, seconds),
            TextExtractor("image/tiff", ("tif", "tiff"), b"", read_picture, seconds),
        )


def read_scanned_pdf(file: Path) -> Iterator[TextBlock]:
    """The PDF as ReplyX reads it, and what is recognised on its pages that are pictures."""
    data = file.read_bytes()
    scanned: Sequence[int] | None = None
    blocks: list[TextBlock] = []
    try:
        found = read_pdf(data, 10_000, lambda done, of: None)
        blocks = [(block.text, block.page, block.heading) for block in found.blocks]
        scanned = found.scanned
    except Unreadable as error:
        if error.code != "no_text":
            raise
    blocks += [(text, page, None) for page, text in _recognised(data, scanned)]
    yield from sorted(blocks, key=lambda block: block[1] or 0)


def read_picture(file: Path) -> Iterator[TextBlock]:
    """What is recognised on a picture."""
    yield _run(["tesseract", str(file), "-"], b""), None, None


def _recognised(data: bytes, pages: Sequence[int] | None) -> Iterator[tuple[int, str]]:
    """Page and text of the pages named, of all where `pages` is None."""
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    wanted = range(1, len(document) + 1) if pages is None else pages
    for number in wanted[:_MAX_PAGES]:
        text = _run(["tesseract", "-", "-"], _drawn(document[number - 1]))
        if text.strip():
            yield number, text


def _drawn(page: Any) -> bytes:
    """The page in shades of grey, as PGM."""
    width, height = page.get_size()
    scale = _DPI / 72
    scale *= min(1.0, (_MOST_PIXELS / max(1.0, width * height * scale * scale)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)
    raw, stride = bytes(bitmap.buffer), bitmap.stride
    rows = b"".join(raw[start : start + bitmap.width] for start in range(0, stride * bitmap.height, stride))
    head = b"P5 %d %d 255\n" % (bitmap.width, bitmap.height)
    bitmap.close()
    page.close()
    return head + rows


def _run(command: list[str], given: bytes) -> str:
    """What the program prints. It runs in the cage of whoever calls: bounded, and without a network."""
    listed = subprocess.run(
        ["tesseract", "--list-langs"], env=_ENVIRONMENT, capture_output=True, text=True, check=False
    )
    installed = set(listed.stdout.split())
    languages = "+".join(name for name in _LANGUAGES if name in installed) or "eng"
    done = subprocess.run(
        [*command, "-l", languages, "--dpi", str(_DPI)], input=given, env=_ENVIRONMENT, capture_output=True, check=False
    )
    if done.returncode:
        raise Unreadable("corrupt")
    # Words broken at line ends are joined with their lines.
    return done.stdout.decode("utf-8", "replace").replace("-\n", "").replace("\x0c", "\n")
