"""Whose turn it is to write the index: a lock of the box for a folder, a lease in the database for an object store.

A turn that is a lease passes on within seconds when its holder dies, and at once where that was a process of this
machine. A writer that lost its turn is told so before its next commit. Where one was told too late, as between its last
look and the commit, what it wrote is set right by the upkeep: the index is a cache of what the database holds.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from replyx.errors import ReplyXError
from replyx.storage.database import Database
from replyx.storage.leases import Lease
from replyx.storage.renewing import Renewing
from replyx.tasks.holders import holder_name, is_gone

logger = logging.getLogger(__name__)

#: Seconds without a renewal after which another process may write.
LEASE_SECONDS = 6.0
#: Seconds between two looks at whether the turn has come.
_PAUSE = 0.1

#: To be called before each commit; raises TurnLost.
Check = Callable[[], None]


class TurnLost(Exception):
    """Another process writes now; what was under way is to be begun anew in the next turn."""


class TurnAway(Exception):
    """The turn did not come in the time that there was."""


@dataclass(frozen=True)
class Writer:
    """Who holds a lease: its machine and number, and seconds until the lease runs out unless it is renewed."""

    label: str
    seconds_left: float


class Turns(Protocol):
    """One writer at a time."""

    def taken(self, patience: float | None = None) -> AbstractContextManager[Check]:
        """Wait for the turn, for ever or `patience` seconds, and hold it to the end of the block.

        Raises:
            TurnAway: it did not come.
        """

    def writer(self) -> Writer | None:
        """Who writes at the moment, where that is known of other hosts. Raises DatabaseUnavailable."""


class FileTurns:
    """For a folder: a lock of the kernel, which ends with its process."""

    def __init__(self, lock_file: Path) -> None:
        """`lock_file` is shared by all processes of the box."""
        self._lock_file = lock_file

    @contextmanager
    def taken(self, patience: float | None = None) -> Iterator[Check]:
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock_file.open("a") as file:
            if patience is None:
                fcntl.flock(file, fcntl.LOCK_EX)
            else:
                _lock_within(file, patience)
            yield lambda: None

    def writer(self) -> Writer | None:
        return None


def _lock_within(file: IO[str], seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.monotonic() > until:
            raise TurnAway
        time.sleep(_PAUSE / 4)


class AskersTurn:
    """For a process that works in the turn of the one that started it."""

    @contextmanager
    def taken(self, patience: float | None = None) -> Iterator[Check]:
        yield lambda: None

    def writer(self) -> Writer | None:
        return None


class LeaseTurns:
    """For a store that processes of several hosts write to."""

    def __init__(self, db: Database, name: str, seconds: float = LEASE_SECONDS) -> None:
        """`name` is one for all that may not write at the same time."""
        self._db, self._name, self._seconds = db, name, seconds

    @contextmanager
    def taken(self, patience: float | None = None) -> Iterator[Check]:
        fence = self._claimed(None if patience is None else time.monotonic() + patience)
        renewing: Renewing[int] = Renewing(f"lease-{self._name}", self._seconds, self._renew)
        renewing.hold(fence)
        try:
            yield lambda: self._confirm(fence)
        finally:
            renewing.close()
            self._end(fence)

    def writer(self) -> Writer | None:
        row, left = self._look()
        return Writer(row.label, left) if row is not None and left > 0 else None

    def _claimed(self, until: float | None) -> int:
        """The fence of a lease that is ours. Raises TurnAway: it was not by `until`, on the monotonic clock."""
        while True:
            row, left = self._look()
            if row is not None and left > 0 and is_gone(row.holder):
                logger.info("the writer of the index has died", extra={"holder": row.label})
                self._end(row.fence)
            elif left > 0:
                if until is not None and time.monotonic() > until:
                    raise TurnAway
                time.sleep(_PAUSE)
            elif (fence := self._claim()) is not None:
                return fence

    def _look(self) -> tuple[Lease | None, float]:
        """The row, and seconds for which it is still somebody's."""
        with self._db.connection():
            left = (Lease.lease_until - self._db.now_ms()).alias("left")
            found: Any = Lease.select(Lease, left).where(Lease.name == self._name).first()
        return found, found.left / 1000 if found is not None else 0.0

    def _claim(self) -> int | None:
        label = f"{socket.gethostname()[:60]}:{os.getpid()}"
        with self._db.transaction(provisional=True):
            Lease.insert(name=self._name).on_conflict_ignore().execute()
            is_free = (Lease.name == self._name) & (Lease.lease_until <= self._db.now_ms())
            taken = Lease.update(
                fence=Lease.fence + 1, holder=holder_name(), label=label, lease_until=self._db.now_ms(self._seconds)
            ).where(is_free)
            return int(Lease.get_by_id(self._name).fence) if taken.execute() else None

    def _confirm(self, fence: int) -> None:
        """Prolong the lease, so that a commit has the whole of it before it. Raises TurnLost."""
        try:
            is_ours = self._set(fence, self._db.now_ms(self._seconds))
        except ReplyXError as error:
            raise TurnLost from error
        if not is_ours:
            raise TurnLost

    def _renew(self, fence: int) -> None:
        try:
            self._set(fence, self._db.now_ms(self._seconds))
        except ReplyXError:
            # It may run out; the look before the commit decides who is right.
            logger.warning("the lease of the index could not be renewed")

    def _end(self, fence: int) -> None:
        try:
            self._set(fence, 0)
        except ReplyXError:
            logger.warning("the lease of the index could not be given back; it runs out")

    def _set(self, fence: int, until: Any) -> bool:
        with self._db.transaction(provisional=True):
            ours = (Lease.name == self._name) & (Lease.fence == fence)
            return bool(Lease.update(lease_until=until).where(ours).execute())
