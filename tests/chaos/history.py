"""What happened, as clients and the nemesis saw it: one JSON line each, in the order in which it became known."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class History:
    """Appends rows to a file; safe from any thread. `t` is seconds since the file was begun, monotonic."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    def add(self, op: str, **fields: Any) -> None:
        """Note that `op` happened."""
        row = {"t": round(self.now(), 3), "op": op, **fields}
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._lock:
            if not self._file.closed:
                self._file.write(text)

    def flush(self) -> None:
        """Bring what was noted into the file."""
        with self._lock:
            if not self._file.closed:
                self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()
