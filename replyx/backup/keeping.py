"""Backups that make themselves: when the next is due, where it goes, and which old ones are deleted."""

from __future__ import annotations

import fcntl
import logging
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from replyx.backup.making import Made, file_name, make_backup
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.storage.database import Database

logger = logging.getLogger(__name__)

#: Bytes that a backup leaves free.
_SPARE = 1 << 30


@dataclass(frozen=True)
class Kept:
    """One backup in the folder, by its name's time."""

    path: Path
    created_at: datetime
    bytes: int


def backup_folder(config: Config) -> Path:
    """Where backups go that nobody named a place for."""
    return Path(config.backup.folder).expanduser().resolve() if config.backup.folder else config.data_dir / "backups"


def list_backups(config: Config) -> list[Kept]:
    """The backups of the folder, newest first."""
    folder = backup_folder(config)
    found = [_kept(path) for path in folder.glob("replyx-*.backup")] if folder.is_dir() else []
    return sorted((kept for kept in found if kept is not None), key=lambda kept: kept.created_at, reverse=True)


class Backups:
    """The schedule of one installation; safe to run in several processes."""

    def __init__(self, db: Database, clock: Clock, config: Config) -> None:
        self._db, self._clock, self._config = db, clock, config

    def make_due(self) -> Made | None:
        """Make a backup where the newest is older than `backup.every_hours`, then delete what is over `backup.keep`.

        None where none was due, or another process is at it.

        Raises:
            OSError: the folder cannot be written to.
        """
        settings = self._config.backup
        if not settings.every_hours:
            return None
        folder = backup_folder(self._config)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            now = self._clock.now()
            newest = next(iter(list_backups(self._config)), None)
            if newest is not None and now - newest.created_at < timedelta(hours=settings.every_hours):
                return None
            room = shutil.disk_usage(folder).free
            if room < _SPARE + 2 * (newest.bytes if newest is not None else 0):
                # A backup must not take the last of the disk that the database writes to.
                logger.warning("no backup was made: too little room", extra={"folder": str(folder), "free": room})
                return None
            made = make_backup(self._db, self._config, folder / file_name(now), now=now, passphrase=None)
            logger.info("a backup was made", extra={"file": made.path.name, "bytes": made.bytes, "rows": made.rows})
            self._forget_old()
            return made

    def _forget_old(self) -> None:
        for kept in list_backups(self._config)[self._config.backup.keep :]:
            kept.path.unlink(missing_ok=True)
            logger.info("an old backup was deleted", extra={"file": kept.path.name})


def _kept(path: Path) -> Kept | None:
    try:
        moment = datetime.strptime(path.name, "replyx-%Y%m%d-%H%M%S.backup").replace(tzinfo=UTC)
        return Kept(path, moment, path.stat().st_size)
    except (ValueError, FileNotFoundError):
        return None
