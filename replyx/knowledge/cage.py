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
from typing import Any

import replyx
from replyx.config.settings import KnowledgeSettings
from replyx.knowledge.extract import Block, Extract
from replyx.knowledge.failures import SENTENCES, Unreadable
from replyx.knowledge.formats import Format
from replyx.plugins.uploads import TextExtractor

logger = logging.getLogger(__name__)

#: Longest line that is taken from the reader: all text of a document is one line.
_MAX_LINE = 128 * 1024 * 1024
#: Ends of a reader that hit its limits; any other unexpected end is the file's fault.
_LIMITS = (-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGALRM)


def read_document(
    path: Path, kind: Format | TextExtractor, limits: KnowledgeSettings, on_page: Callable[[int, int], None]
) -> Extract:
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
        watch = threading.Timer(limits.parse_seconds, child.kill)
        watch.daemon = True
        watch.start()
        try:
            outcome = _listen(child, on_page)
        finally:
            watch.cancel()
            child.kill()
    if outcome is None:
        raise _ended(child.returncode, path)
    if "failed" in outcome:
        code = outcome["failed"]
        raise Unreadable(code if code in SENTENCES else "corrupt")
    return Extract(tuple(Block(*row) for row in outcome["blocks"]), outcome["pages"])


def _command(path: Path, kind: Format | TextExtractor, limits: KnowledgeSettings) -> list[str]:
    reader = kind.value if isinstance(kind, Format) else kind.entry
    # -P: the working directory is no place to import from.
    return [
        *(sys.executable, "-P", "-m", "replyx.knowledge.reader", reader, str(path)),
        *(str(limits.max_pages), str(limits.parse_memory_mb), str(limits.parse_seconds)),
    ]


def _environment() -> dict[str, str]:
    """Ours without our secrets, and with the folder that this very package was imported from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLYX_")}
    root = str(Path(replyx.__file__).parents[1])
    paths = [root, *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}


def _listen(child: subprocess.Popen[bytes], on_page: Callable[[int, int], None]) -> dict[str, Any] | None:
    """The reader's last word; None where it ended without one."""
    assert child.stdout is not None  # noqa: S101
    while line := child.stdout.readline(_MAX_LINE):
        try:
            row = json.loads(line)
        except ValueError:
            return {"failed": "too_heavy" if len(line) >= _MAX_LINE else "corrupt"}
        if "page" not in row:
            return dict(row)
        on_page(row["page"], row["of"])
    child.wait()
    return None


def _ended(returncode: int, path: Path) -> Unreadable:
    code = "too_heavy" if returncode in _LIMITS else "corrupt"
    logger.warning(
        "the reader of a document died", extra={"file": path.name, "returncode": returncode, "error_code": code}
    )
    return Unreadable(code)
