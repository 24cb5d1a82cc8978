"""Making a backup: one moment of the database, the uploaded files, the settings; while everything runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from replyx import __version__
from replyx.backup.archive import FORMAT, HEADER, ArchiveWriter, writing
from replyx.backup.secrets import fingerprint, seal
from replyx.clock import iso
from replyx.config.document import render_toml
from replyx.config.settings import Config, all_settings
from replyx.security.master_key import FILE_NAME, load_master_key
from replyx.storage.database import Database
from replyx.storage.portable import count_rows, read_rows, schema_of, shapes_of, snapshot

#: Characters of rows in one member: what is held in memory at a time.
_PIECE = 4 * 1024 * 1024

#: Told of progress: rows and files done, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Made:
    """A finished backup. `missing` files were deleted while it was being made, with their documents.

    `where` is its URL, where it was put into a store.
    """

    path: Path
    bytes: int
    rows: int
    files: int
    missing: int
    where: str = ""

    @property
    def place(self) -> str:
        """Where it is now."""
        return self.where or str(self.path.resolve())


def file_name(now: datetime) -> str:
    """`replyx-20260102-030405.backup`: names sort as their times, in UTC."""
    return f"replyx-{now.astimezone(UTC):%Y%m%d-%H%M%S}.backup"


def make_backup(
    db: Database,
    config: Config,
    path: Path,
    *,
    now: datetime,
    passphrase: str | None,
    progress: Progress | None = None,
    with_uploads: bool = True,
) -> Made:
    """Write a backup to `path`, which stands there whole or not at all. With a `passphrase` it holds the secrets too.

    The database may be of an older schema.

    Raises:
        OSError: it cannot be written. DatabaseUnavailable: no connection. ConfigError: the master key cannot be read.
    """
    key = load_master_key(config)
    with writing(path) as archive, snapshot(db):
        shapes = shapes_of(db)
        rows = count_rows(db, shapes)
        uploads = _uploads(config) if with_uploads else []
        step = _Steps(sum(rows.values()) + len(uploads), progress)
        header = {
            "format": FORMAT,
            "program": __version__,
            "created_at": iso(now),
            "database": "sqlite" if db.is_sqlite else "postgresql",
            "schema": schema_of(db),
            "rows": sum(rows.values()),
            "master_key": fingerprint(key),
            "has_secrets": passphrase is not None,
        }
        archive.add_bytes(HEADER, _line(header))
        for shape in shapes:
            _add_rows(archive, shape.name, shape.columns, read_rows(db, shape), step)
        missing = sum(not _add_upload(archive, upload, step) for upload in uploads)
        archive.add_bytes("config/replyx.toml", render_toml(_plain_settings(config)).encode("utf-8"))
        if passphrase is not None:
            archive.add_bytes("secrets.bin", seal(_secrets(config), passphrase))
        archive.finish(rows)
    return Made(path, path.stat().st_size, sum(rows.values()), len(uploads) - missing, missing)


class _Steps:
    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress, self._done = total, progress, 0

    def take(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def _add_rows(
    archive: ArchiveWriter, table: str, columns: Sequence[str], rows: Iterator[list[Any]], step: _Steps
) -> None:
    """The rows in members of a few megabytes each; at least one, so that an empty table is told from a lost one."""
    head = _line(columns)
    pieces, size, count, number = [head], 0, 0, 0
    for row in rows:
        line = _line(row)
        pieces.append(line)
        size += len(line)
        count += 1
        if size >= _PIECE:
            number += 1
            archive.add_bytes(f"tables/{table}/{number:06}.jsonl", b"".join(pieces))
            step.take(count)
            pieces, size, count = [head], 0, 0
    if count or not number:
        archive.add_bytes(f"tables/{table}/{number + 1:06}.jsonl", b"".join(pieces))
        step.take(count)


def _add_upload(archive: ArchiveWriter, path: Path, step: _Steps) -> bool:
    step.take(1)
    try:
        archive.add_file(f"uploads/{path.name}", path)
    except FileNotFoundError:
        return False
    return True


def _uploads(config: Config) -> list[Path]:
    """Files are stored before their rows: whatever the snapshot knows is there, but for what is deleted meanwhile."""
    folder = config.data_dir / "uploads"
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _plain_settings(config: Config) -> dict[str, Any]:
    """What was set and is no secret."""
    return {
        row.name: getattr(getattr(config, row.section), row.key)
        for row in all_settings()
        if row.name in config.origin and not row.secret
    }


def _secrets(config: Config) -> dict[str, str]:
    own = config.data_dir / FILE_NAME
    key = config.security.secret_key or own.read_text(encoding="utf-8").strip()
    settings = config.path.read_text(encoding="utf-8") if config.path is not None else ""
    return {"secret_key": key, "replyx.toml": settings}


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
