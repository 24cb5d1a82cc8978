"""Leases of the answers that this process is writing: renewed while it lives, lost when another took over."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from replyx.errors import ReplyXError
from replyx.storage.database import Database
from replyx.storage.dialogs import Reply
from replyx.storage.renewing import Renewing
from replyx.tasks.holders import holder_name, is_gone
from replyx.types import Json

logger = logging.getLogger(__name__)

#: The place in a reply's trace that names who is writing it, until the answer's own trace takes it.
_WRITER = "writer"


@dataclass(eq=False)
class Lease:
    """The right to answer one reply under one fence; `lost` is set once it is another's."""

    reply_id: int
    fence: int
    lost: threading.Event = field(default_factory=threading.Event)


class Leases:
    """Renews every lease of the process, and ends those of processes that have died."""

    def __init__(self, db: Database, seconds: float) -> None:
        self._db, self._seconds = db, seconds
        self._renewing = Renewing("leases", seconds, self._renew_one)

    def hold(self, lease: Lease) -> None:
        """Keep `lease` alive until `drop`."""
        self._renewing.hold(lease)

    def drop(self, lease: Lease) -> None:
        """Stop renewing; the row itself is settled by whoever ends the answer."""
        self._renewing.drop(lease)

    def close(self) -> None:
        """End the thread; leases run out by themselves."""
        self._renewing.close()

    def end_those_of_the_dead(self) -> int:
        """Who is known to have ended on this machine needs its leases no longer; returns how many there were.

        Of workers on other machines nothing is known, and of one that hangs nothing is sure: their leases run out.
        """
        with self._db.connection():
            working = (Reply.state == "working") & (Reply.lease_until >= self._db.now_ms())
            rows = list(Reply.select(Reply.id, Reply.fence, Reply.trace).where(working))
        gone = {writer for writer in {_writer(row) for row in rows} if writer and is_gone(writer)}
        dead = [row for row in rows if _writer(row) in gone]
        if not dead:
            return 0
        with self._db.transaction():
            return sum(
                Reply.update(lease_until=0)
                .where((Reply.id == row.id) & (Reply.fence == row.fence) & (Reply.state == "working"))
                .execute()
                for row in dead
            )

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


def signed() -> Json:
    """What a claim writes into a reply's trace: that this process is at work on it."""
    return {_WRITER: holder_name()}


def _writer(row: Reply) -> str:
    return str((row.trace or {}).get(_WRITER, ""))
