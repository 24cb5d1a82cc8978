"""Files of running processes in the data directory: who does not find another's there has another directory.

Each start makes a file of a new name: a copy of the directory, or another one mounted at the same path, does not have
it. Numbers of files are not compared, since not every network file system gives a file the same one on all hosts.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection
from pathlib import Path

#: Seconds after which a file that no process names is deleted.
_FORGOTTEN = 86_400.0


class Signs:
    """The folder `running`: an empty file for each running process. A sign is its name."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is made before it is needed."""
        self._folder = data_dir / "running"

    def make(self) -> str | None:
        """A new sign; None where the data directory cannot be written to, which others say loudly enough."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / uuid.uuid4().hex
            path.touch(mode=0o600)
            return path.name
        except OSError:
            return None

    def has(self, sign: str) -> bool:
        """Whether it was made in this very directory."""
        try:
            return self._path(sign).is_file()
        except OSError:
            return False

    def remove(self, sign: str) -> None:
        self._path(sign).unlink(missing_ok=True)

    def remove_forgotten(self, known: Collection[str]) -> None:
        """Delete what processes that were killed have left; `known` are the signs of those that may still live."""
        if not self._folder.is_dir():
            return
        kept, before = {self._path(sign).name for sign in known}, time.time() - _FORGOTTEN
        for path in self._folder.iterdir():
            if path.name not in kept and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)

    def _path(self, sign: str) -> Path:
        return self._folder / Path(sign).name
