"""Leases of the answers that this process is writing: renewed while it lives, lost when another took over."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from replyx.errors import ReplyXError
from replyx.storage.database import Database
from replyx.storage.dialogs import Reply

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Lease:
    """The right to answer one reply under one fence; `lost` is set once it is another's."""

    reply_id: int
    fence: int
    lost: threading.Event = field(default_factory=threading.Event)


class Leases:
    """Renews every lease of the process from one thread, which lives only while there is something to renew."""

    def __init__(self, db: Database, seconds: float) -> None:
        self._db, self._seconds = db, seconds
        self._lock = threading.Lock()
        self._held: set[Lease] = set()
        self._idle = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, lease: Lease) -> None:
        """Keep `lease` alive until `drop`."""
        with self._lock:
            self._held.add(lease)
            if self._thread is None:
                self._idle = threading.Event()
                self._thread = threading.Thread(target=self._renew, args=(self._idle,), name="leases", daemon=True)
                self._thread.start()

    def drop(self, lease: Lease) -> None:
        """Stop renewing; the row itself is settled by whoever ends the answer."""
        with self._lock:
            self._held.discard(lease)

    def close(self) -> None:
        """End the thread; leases run out by themselves."""
        with self._lock:
            self._held.clear()
            self._idle.set()
            thread, self._thread = self._thread, None
        if thread is not None:
            # It may be at the database, which is closed next.
            thread.join(self._seconds)

    def _renew(self, closed: threading.Event) -> None:
        while not closed.wait(self._seconds / 3):
            with self._lock:
                held = tuple(self._held)
            for lease in held:
                self._renew_one(lease)

    def _renew_one(self, lease: Lease) -> None:
        try:
            with self._db.transaction(provisional=True):
                renewed = (
                    Reply.update(lease_until=self._db.now_ms(self._seconds))
                    .where((Reply.id == lease.reply_id) & (Reply.fence == lease.fence) & (Reply.state == "working"))
                    .execute()
                )
        except ReplyXError:
            # The database is away: the lease may run out, and the commit's fence decides who was right.
            logger.warning("a lease could not be renewed", extra={"reply_id": lease.reply_id})
            return
        if not renewed:
            lease.lost.set()
