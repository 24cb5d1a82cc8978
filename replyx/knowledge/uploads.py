"""Uploaded files on disk, under names of our own."""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from replyx.errors import FileTooLarge
from replyx.knowledge.formats import HEAD

_PIECE = 65_536
#: Seconds after which a file that no row knows is deleted: its upload ended between the file and the row.
_FORGOTTEN = 86_400
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Stored:
    """A file as it was stored; `head` is its beginning."""

    name: str
    size: int
    sha256: str
    head: bytes


class Uploads:
    """The folder of uploaded files."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """`folder` is made when it is first needed."""
        self._folder, self._max_bytes = folder, max_bytes

    def store(self, content: BinaryIO) -> Stored:
        """Copy `content`, reading no further than one byte over the limit; it is on disk for good on return.

        Raises:
            FileTooLarge: it is larger than `knowledge.max_file_bytes`; nothing is kept.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = uuid.uuid4().hex
        path = self._folder / name
        digest, size, head = hashlib.sha256(), 0, b""
        try:
            with path.open("xb") as file:
                while piece := content.read(min(_PIECE, self._max_bytes + 1 - size)):
                    size += len(piece)
                    self._check(size)
                    file.write(piece)
                    digest.update(piece)
                    head = (head + piece)[:HEAD] if len(head) < HEAD else head
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Stored(name, size, digest.hexdigest(), head)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise _too_large(self._max_bytes)

    def path(self, name: str) -> Path:
        return self._folder / name

    def remove(self, *names: str) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def remove_forgotten(self, known: Collection[str]) -> int:
        """Delete old files that are not among `known`; returns how many."""
        if not self._folder.is_dir():
            return 0
        before = time.time() - _FORGOTTEN
        old = [p for p in self._folder.iterdir() if p.name not in known and p.stat().st_mtime < before]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


def as_label(filename: str) -> str:
    """A customer's file name as a label: no folders, nothing unprintable, at most 255 characters."""
    base = _UNPRINTABLE.sub("", filename.replace("\\", "/").rsplit("/", 1)[-1]).strip()
    if len(base) > 255:
        stem, dot, extension = base.rpartition(".")
        base = f"{stem[: 254 - len(extension)]}.{extension}" if dot and len(extension) <= 10 else base[:255]
    return base if base.strip(".") else "document"


def _too_large(limit: int) -> FileTooLarge:
    size = f"{limit / 1_048_576:.0f}" if limit >= 1_048_576 else f"{limit / 1_048_576:.2f}"
    return FileTooLarge(
        f"Файл превышает лимит {size} МБ. Разделите его или увеличьте knowledge.max_file_bytes.",
        f"The file is over the limit of {size} MB. Split it or raise knowledge.max_file_bytes.",
        details={"max_bytes": limit},
    )
