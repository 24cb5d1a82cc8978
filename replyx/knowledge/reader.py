"""The caged process that reads one document: `python -m replyx.knowledge.reader FORMAT PATH PAGES MEMORY SECONDS`.

FORMAT is one of ours, or `FILE:FUNCTION` of a plugin.

It limits itself before it touches the file, opens nothing but it, and writes JSON lines: `{"page", "of"}` while it
goes, at the end `{"blocks", "pages"}` or `{"failed": code}`. Whatever a hostile file does, it does to this process.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from replyx.knowledge.extract import Block, Extract, as_heading, clean
from replyx.knowledge.failures import Unreadable
from replyx.knowledge.formats import Format
from replyx.knowledge.markup import read_html, read_markdown
from replyx.knowledge.plain import read_text
from replyx.plugins.modules import load_file
from replyx.plugins.uploads import TextReader


def main(arguments: list[str]) -> int:
    """Read the file and write what it holds."""
    kind, path, pages, memory_mb, seconds = arguments
    _limit(int(memory_mb), float(seconds))
    # What pypdf has to say about broken files is told by the outcome.
    logging.disable(logging.CRITICAL)
    try:
        found = _read(kind, Path(path), int(pages))
    except Unreadable as error:
        _say({"failed": error.code})
    except MemoryError:
        _say({"failed": "too_heavy"})
    except RecursionError:
        _say({"failed": "corrupt"})
    else:
        _say({"blocks": [[b.text, b.page, b.heading] for b in found.blocks], "pages": found.pages})
    return 0


def _limit(memory_mb: int, seconds: float) -> None:
    """Memory, processor time, wall time, files: none can be raised again."""
    memory, processor = memory_mb * 1024 * 1024, max(1, int(seconds))
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(kind, (value, value))
    # Also where the parent is gone: the default action of the signal ends the process.
    signal.setitimer(signal.ITIMER_REAL, seconds + 1)


def _read(kind: str, path: Path, max_pages: int) -> Extract:
    if kind not in list(Format):
        found = _read_by_plugin(kind, path)
    elif kind == Format.PDF:
        from replyx.knowledge.pdf import read_pdf

        found = read_pdf(path, max_pages, lambda done, of: _say({"page": done, "of": of}))
    else:
        readers = {Format.HTML: read_html, Format.MARKDOWN: read_markdown, Format.TEXT: read_text}
        found = readers[Format(kind)](path.read_bytes())
    if not any(block.text for block in found.blocks):
        raise Unreadable("no_text" if kind == Format.PDF else "empty")
    return found


def _read_by_plugin(entry: str, path: Path) -> Extract:
    file, _, function = entry.rpartition(":")
    read: TextReader = getattr(load_file("reader", Path(file)), function)
    blocks = [Block(clean(text), page, as_heading(heading)) for text, page, heading in read(path)]
    return Extract(tuple(blocks), max((block.page or 0 for block in blocks), default=0))


def _say(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
