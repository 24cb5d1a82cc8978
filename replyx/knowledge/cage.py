"""Reading a document in a process of its own, so that no file can hurt this one."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import replyx
from replyx.config.settings import KnowledgeSettings
from replyx.knowledge.extract import Block, Extract
from replyx.knowledge.failures import SENTENCES, Unreadable
from replyx.knowledge.formats import Format
from replyx.plugins.uploads import TextExtractor

logger = logging.getLogger(__name__)

#: Longest line that is taken from the reader, in bytes, and all of them together.
_MAX_LINE, _MAX_TOLD = 1024 * 1024, 256 * 1024 * 1024
#: Ends of a reader that hit its limits; any other unexpected end is the file's fault.
_LIMITS = (-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGALRM)


#: What may be read: a document of ours or of a plugin's; a page with its links; a map of a site, which is links alone.
Kind = Format | TextExtractor | Literal["page", "sitemap"]


def read_document(path: Path, kind: Kind, limits: KnowledgeSettings, on_page: Callable[[int, int], None]) -> Extract:
    """The text of the file at `path`; `on_page(done, of)` is called while a PDF is read.

    Raises:
        Unreadable: why there is none; one of `SENTENCES`.
    """
    if not path.is_file():
        raise Unreadable("lost")
    with subprocess.Popen(
        _command(path, kind, limits),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_environment(),
    ) as child:
        watch = threading.Timer(_seconds(kind, limits), child.kill)
        watch.daemon = True
        watch.start()
        try:
            outcome, blocks = _listen(child, on_page)
        finally:
            watch.cancel()
            child.kill()
    if outcome is None:
        raise _ended(child.returncode, path)
    if "failed" in outcome:
        code = outcome["failed"]
        raise Unreadable(code if code in SENTENCES else "corrupt")
    return Extract(tuple(blocks), **_figures(outcome))


def _figures(outcome: dict[str, Any]) -> dict[str, Any]:
    return {
        "pages": outcome["pages"],
        "scanned": tuple(outcome["scanned"]),
        "links": tuple(outcome["links"]),
        "is_private": outcome["is_private"],
    }


def _command(path: Path, kind: Kind, limits: KnowledgeSettings) -> list[str]:
    seconds = _seconds(kind, limits)
    work = {
        "kind": kind.entry if isinstance(kind, TextExtractor) else str(kind),
        "path": str(path),
        "max_pages": limits.max_pages,
        "memory_mb": limits.parse_memory_mb,
        "processor_seconds": seconds if isinstance(kind, TextExtractor) else limits.parse_processor_seconds,
        "seconds": seconds,
    }
    # -P: the working directory is no place to import from.
    return [sys.executable, "-P", "-m", "replyx.knowledge.reader", json.dumps(work)]


def _seconds(kind: Kind, limits: KnowledgeSettings) -> float:
    return max(limits.parse_seconds, kind.seconds) if isinstance(kind, TextExtractor) else limits.parse_seconds


def _environment() -> dict[str, str]:
    """Ours without our secrets, and with the folder that this very package was imported from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLYX_")}
    root = str(Path(replyx.__file__).parents[1])
    paths = [root, *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}


def _listen(
    child: subprocess.Popen[bytes], on_page: Callable[[int, int], None]
) -> tuple[dict[str, Any] | None, list[Block]]:
    """The reader's last word, None where it ended without one; and the blocks that it told before."""
    assert child.stdout is not None  # noqa: S101
    blocks: list[Block] = []
    told = 0
    while line := child.stdout.readline(_MAX_LINE):
        told += len(line)
        try:
            row = json.loads(line)
        except ValueError:
            return {"failed": "too_heavy" if len(line) >= _MAX_LINE else "corrupt"}, blocks
        if told > _MAX_TOLD:
            return {"failed": "too_heavy"}, blocks
        if "block" in row:
            blocks.append(Block(*row["block"]))
        elif "page" in row:
            on_page(row["page"], row["of"])
        else:
            return dict(row), blocks
    child.wait()
    return None, blocks


def _ended(returncode: int, path: Path) -> Unreadable:
    code = "too_heavy" if returncode in _LIMITS else "corrupt"
    logger.warning(
        "the reader of a document died", extra={"file": path.name, "returncode": returncode, "error_code": code}
    )
    return Unreadable(code)
