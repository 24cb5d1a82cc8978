"""The file of a backup: a gzipped tar whose last member lists the checksums of all others.

    header.json                 format, program, schema, database, time; fingerprint of the master key
    tables/NAME/000001.jsonl    the columns' names, then a row a line
    uploads/NAME                documents as they were uploaded
    config/replyx.toml          the settings, without secrets
    secrets.bin                 only where asked for: the master key under a passphrase
    checksums.json              SHA-256 of every member, and how many rows each table has

A file that was cut short has no last member; one that was changed has another checksum. Both are refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from replyx.errors import BackupUnusable
from replyx.types import Json

FORMAT = 1
HEADER, CHECKSUMS = "header.json", "checksums.json"

_PIECE, _BLOCK = 1024 * 1024, 64 * 1024
#: Little is gained by trying harder, and much time is lost.
_EFFORT = 3


class ArchiveWriter:
    """Writes members one after another; nothing is kept in memory but their checksums."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._sums: dict[str, str] = {}

    def add_bytes(self, name: str, content: bytes) -> None:
        """A member from memory."""
        self._sums[name] = hashlib.sha256(content).hexdigest()
        self._tar.addfile(_member(name, len(content)), io.BytesIO(content))

    def add_file(self, name: str, path: Path) -> int:
        """A member from a file, as long as it is at this moment; returns its bytes.

        Raises:
            FileNotFoundError: it has gone.
        """
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            reader = _Summing(file)
            self._tar.addfile(_member(name, size), reader)
        self._sums[name] = reader.digest.hexdigest()
        return size

    def finish(self, rows: dict[str, int]) -> None:
        """The last member, which says that the archive is whole."""
        body = {"rows": rows, "sha256": self._sums}
        content = json.dumps(body, separators=(",", ":")).encode()
        self._tar.addfile(_member(CHECKSUMS, len(content)), io.BytesIO(content))


@contextmanager
def writing(path: Path) -> Iterator[ArchiveWriter]:
    """An archive that stands at `path`, readable by its owner only, once the block has ended well; else nothing does.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            with (
                gzip.GzipFile(filename="", mode="wb", compresslevel=_EFFORT, fileobj=file, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                yield ArchiveWriter(tar)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every member's name and content, in the order of the file; each is to be read before the next is asked for.

    Raises:
        BackupUnusable: this is no backup, or it is cut short.
    """
    # Not "r|gz": there each small read copies all that was unpacked ahead, which took most of a restore's time.
    with _told(path), gzip.open(path) as packed, tarfile.open(fileobj=packed, mode="r|", bufsize=_BLOCK) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or not _is_plain(member.name):
                raise _unusable(path, "посторонняя запись", "a foreign member")
            yield member.name, content


def read_header(path: Path) -> Json:
    """What the backup says of itself.

    Raises:
        BackupUnusable: this is no backup, or one of a newer ReplyX. OSError: it cannot be read.
    """
    members = read_members(path)
    try:
        first = next(members, None)
        if first is None or first[0] != HEADER:
            raise _unusable(path, "это не резервная копия ReplyX", "it is no backup of ReplyX")
        header = _parsed(path, first[1].read(_PIECE))
    finally:
        members.close()  # type: ignore[attr-defined]
    if header.get("format") != FORMAT:
        raise _unusable(path, "её сделал более новый ReplyX", "it was made by a newer ReplyX")
    return header


def verify(path: Path) -> Json:
    """Read all of it and compare every checksum; returns the last member's `rows`, and `bytes` of all content.

    Raises:
        BackupUnusable: something is missing, added or changed. OSError: it cannot be read.
    """
    read_header(path)
    found: dict[str, str] = {}
    told: Json | None = None
    size = 0
    with _told(path):
        for name, content in read_members(path):
            if name == CHECKSUMS:
                told = _parsed(path, content.read())
                continue
            digest = hashlib.sha256()
            while piece := content.read(_PIECE):
                digest.update(piece)
                size += len(piece)
            found[name] = digest.hexdigest()
    if told is None:
        raise _unusable(path, "она обрезана: нет последней записи", "it is cut short: the last member is missing")
    if told["sha256"] != found:
        raise _unusable(path, "контрольные суммы не сходятся", "its checksums do not match")
    return {"rows": told["rows"], "bytes": size}


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What tar and gzip find wrong, wherever in the reading it is, ends as one error."""
    try:
        yield
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _unusable(path, "это не резервная копия или она обрезана", "it is no backup, or cut short") from error


class _Summing(io.RawIOBase):
    """Reads a file and sums what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.digest.update(piece)
        return piece


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _is_plain(name: str) -> bool:
    """Members are named by us: no way out of the folder they are put into."""
    return all(part not in ("", ".", "..") for part in name.split("/"))


def _parsed(path: Path, content: bytes) -> Json:
    try:
        value: Any = json.loads(content)
    except ValueError as error:
        raise _unusable(path, "её заголовок испорчен", "its header is damaged") from error
    if not isinstance(value, dict):
        raise _unusable(path, "её заголовок испорчен", "its header is damaged")
    return value


def _unusable(path: Path, ru: str, en: str) -> BackupUnusable:
    return BackupUnusable(f"{path}: {ru}. Возьмите другую копию.", f"{path}: {en}. Take another backup.")
