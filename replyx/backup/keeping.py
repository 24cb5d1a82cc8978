"""Backups that make themselves: when the next is due, where it goes, and which old ones are deleted."""

from __future__ import annotations

import fcntl
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from replyx.backup.making import Made, file_name, make_backup
from replyx.backup.stores import local_folder, store_of
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.storage.database import Database

logger = logging.getLogger(__name__)

#: Bytes that a backup leaves free.
_SPARE = 1 << 30


def keep(config: Config, now: datetime, make: Callable[[Path], Made]) -> Made:
    """Make a backup of this moment by `make`, and keep it where `backup.folder` says.

    Raises:
        OSError: it cannot be written. BackupStoreFailed: the store refused it.
    """
    folder, store = local_folder(config), store_of(config)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = make(folder / file_name(now))
    if not store.is_remote:
        return made
    try:
        return replace(made, where=store.put(made.path))
    finally:
        made.path.unlink(missing_ok=True)


class Backups:
    """The schedule of one installation; safe to run in several processes."""

    def __init__(self, db: Database, clock: Clock, config: Config) -> None:
        self._db, self._clock, self._config = db, clock, config

    def make_due(self) -> Made | None:
        """Make a backup where the newest is older than `backup.every_hours`, then delete what is over `backup.keep`.

        None where none was due, or another process is at it.

        Raises:
            OSError: the folder cannot be written to. BackupStoreFailed: the store refuses.
        """
        settings = self._config.backup
        if not settings.every_hours:
            return None
        folder, store = local_folder(self._config), store_of(self._config)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            now = self._clock.now()
            newest = next(iter(store.list()), None)
            if newest is not None and now - newest.created_at < timedelta(hours=settings.every_hours):
                return None
            room = shutil.disk_usage(folder).free
            if room < _SPARE + 2 * (newest.bytes if newest is not None else 0):
                # A backup must not take the last of the disk that the database writes to.
                logger.warning("no backup was made: too little room", extra={"folder": str(folder), "free": room})
                return None
            made = keep(
                self._config, now, lambda path: make_backup(self._db, self._config, path, now=now, passphrase=None)
            )
            logger.info("a backup was made", extra={"file": made.path.name, "bytes": made.bytes, "rows": made.rows})
            for old in store.list()[settings.keep :]:
                store.delete(old.name)
                logger.info("an old backup was deleted", extra={"file": old.name})
            return made
