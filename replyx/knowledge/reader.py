"""The caged process that reads one document: `python -m replyx.knowledge.reader WORK`, WORK being JSON.

It reads the file's bytes, imports what its format needs, gives everything else up (`confinement.py`), and only then
looks at them. It writes JSON lines: `{"page", "of"}` while it goes, then `{"block"}` for each block, at the end
`{"pages", "scanned"}` or `{"failed"}`. Whatever a hostile file does, it does to this process.
"""

from __future__ import annotations

import codecs
import importlib
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from replyx.knowledge.confinement import close_the_door, cut_the_network, limit
from replyx.knowledge.extract import Block, Extract, as_heading, clean
from replyx.knowledge.failures import Unreadable
from replyx.knowledge.formats import Format
from replyx.plugins.modules import load_file
from replyx.plugins.uploads import TextReader

#: Longest block and line that are handed on, in characters: whoever takes them must never be held up by one.
_LONGEST_BLOCK, _LONGEST_LINE = 50_000, 5000
#: Most characters of one document: ten thousand pages.
_MOST_TEXT = 20_000_000

#: What the standard library's reader of letters imports as it meets things.
_EMAIL = (
    "email.policy", "email.parser", "email.feedparser", "email.headerregistry", "email.iterators", "email.generator",
    "email.mime.text", "quopri", "base64",
)  # fmt: skip
#: Where the reader of each format is, and what it imports only when it runs.
_READERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "page": ("replyx.knowledge.markup", "read_page", ("selectolax.lexbor",)),
    "sitemap": ("replyx.knowledge.sitemap", "read_sitemap", ()),
    Format.PDF: ("replyx.knowledge.pdf", "read_pdf", ("pypdfium2", "pypdf", "pypdf.generic", "pypdf.filters")),
    Format.HTML: ("replyx.knowledge.markup", "read_html", ("selectolax.lexbor",)),
    Format.MARKDOWN: ("replyx.knowledge.markup", "read_markdown", ("selectolax.lexbor", "markdown_it")),
    Format.TEXT: ("replyx.knowledge.plain", "read_text", ()),
    Format.CSV: ("replyx.knowledge.records", "read_csv", ()),
    Format.XLSX: ("replyx.knowledge.records", "read_sheets", ("python_calamine", "_strptime")),
    Format.ODS: ("replyx.knowledge.records", "read_sheets", ("python_calamine", "_strptime")),
    Format.DOCX: ("replyx.knowledge.office", "read_docx", ()),
    Format.PPTX: ("replyx.knowledge.office", "read_pptx", ()),
    Format.ODT: ("replyx.knowledge.office", "read_odt", ()),
    Format.EPUB: ("replyx.knowledge.messages", "read_epub", ("selectolax.lexbor",)),
    Format.EML: ("replyx.knowledge.messages", "read_eml", ("selectolax.lexbor", *_EMAIL)),
}
#: Encodings of old files, and those that a file names itself; none can be loaded later.
_ENCODINGS = (
    "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "ascii", "latin-1", "cp1251",
    "koi8-r", "koi8-u", "cp866", "iso8859-5", "mac-cyrillic", "cp1252", "cp437", "idna", "punycode", "unicode-escape",
    "raw-unicode-escape", "quopri", "base64", "uu",
)  # fmt: skip
_NAMED = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)


def main(arguments: list[str]) -> int:
    """Read the file and write what it holds."""
    work: dict[str, Any] = json.loads(arguments[0])
    limit(work["memory_mb"], work["processor_seconds"], work["seconds"])
    # What pypdf has to say about broken files is told by the outcome.
    logging.disable(logging.CRITICAL)
    try:
        read = _prepared(work["kind"], Path(work["path"]), work["max_pages"])
        _tell(read(), work["kind"])
    except Unreadable as error:
        _say({"failed": error.code})
    except MemoryError:
        _say({"failed": "too_heavy"})
    except RecursionError:
        _say({"failed": "corrupt"})
    return 0


def _prepared(kind: str, path: Path, max_pages: int) -> Callable[[], Extract]:
    """What reads the file; all that it needs is in memory, and nothing else can be had any more."""
    if kind not in _READERS:
        return _plugin_reader(kind, path)
    module, function, imports = _READERS[kind]
    read = getattr(importlib.import_module(module), function)
    for name in imports:
        importlib.import_module(name)
    data = path.read_bytes()
    load_encodings(data)
    close_the_door()
    if kind == Format.PDF:
        return lambda: read(data, max_pages, lambda done, of: _say({"page": done, "of": of}))
    return lambda: read(data)


def load_encodings(data: bytes) -> None:
    """Import the encodings that `data` may be in."""
    named = dict.fromkeys(match[1].decode("ascii") for match, _ in zip(_NAMED.finditer(data), range(50), strict=False))
    for name in (*_ENCODINGS, *named):
        try:
            codecs.lookup(name)
        except (LookupError, ValueError):
            continue


def _plugin_reader(entry: str, path: Path) -> Callable[[], Extract]:
    """A plugin's reader may start programs and read their files; it reaches no network either."""
    file, _, function = entry.rpartition(":")
    read: TextReader = getattr(load_file("reader", Path(file)), function)
    cut_the_network()

    def gather() -> Extract:
        blocks = [Block(clean(text), page, as_heading(heading)) for text, page, heading in read(path)]
        return Extract(tuple(blocks), max((block.page or 0 for block in blocks), default=0))

    return gather


def _tell(found: Extract, kind: str) -> None:
    if not any(block.text for block in found.blocks) and kind not in ("page", "sitemap"):
        raise Unreadable("no_text" if kind == Format.PDF else "empty")
    if sum(len(block.text) for block in found.blocks) > _MOST_TEXT:
        raise Unreadable("too_heavy")
    for block in found.blocks:
        for part in _parts(block.text):
            _say({"block": [part, block.page, block.heading]})
    last = {"pages": found.pages, "scanned": found.scanned, "links": found.links, "is_private": found.is_private}
    _say(last)


def _parts(text: str) -> Iterator[str]:
    """The text in parts of whole lines; a line without an end is cut at a space."""
    part: list[str] = []
    size = 0
    for line in text.split("\n"):
        for piece in _pieces(line):
            if part and size + len(piece) > _LONGEST_BLOCK:
                yield "\n".join(part)
                part, size = [], 0
            part.append(piece)
            size += len(piece) + 1
    if part:
        yield "\n".join(part)


def _pieces(line: str) -> Iterator[str]:
    while len(line) > _LONGEST_LINE:
        cut = line.rfind(" ", _LONGEST_LINE // 2, _LONGEST_LINE)
        cut = cut if cut > 0 else _LONGEST_LINE
        yield line[:cut]
        line = line[cut:].lstrip()
    yield line


def _say(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
