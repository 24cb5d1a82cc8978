"""The right to write one answer: how it is taken, and how long its engine may be waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from replyx.dialogs.leases import signed
from replyx.dialogs.paying import Held
from replyx.events.stories import Lap
from replyx.storage.database import Database
from replyx.storage.dialogs import Reply
from replyx.storage.prepared import Prepared, Slot

#: Tries of an engine that fails, the first included, and how old a question may be for one more.
_TRIES, _PATIENCE = 2, timedelta(seconds=20)

#: Age of a question after which an engine that fails is not waited for any more: a person is called.
_TOO_OLD = timedelta(seconds=45)


@dataclass(frozen=True)
class Claim:
    """Which messages are to be answered, under which fence, with how much held; `asked_at` is the question's time."""

    reply_id: int
    dialog_id: int
    fence: int
    attempt: int
    first_seq: int
    upto_seq: int
    held: Held
    asked_at: datetime
    #: Told the answer as far as it is written; None: nobody wants to see it.
    progress: Callable[[str], None] | None
    #: What was done so far: the reply waited, and was claimed.
    laps: Sequence[Lap] = ()

    def may_wait(self, now: datetime) -> bool:
        """Whether a failed engine may be tried once more, or another one is to answer the customer who waits."""
        return self.attempt < _TRIES and now - self.asked_at < _PATIENCE

    def is_old(self, now: datetime) -> bool:
        """Whether the customer has waited too long for one more try of anything."""
        return now - self.asked_at > _TOO_OLD


def laps_of(begun: float, waited: float) -> tuple[Lap, Lap]:
    """The stages up to now of a reply that had `waited` seconds until its claim was `begun`."""
    return Lap("waiting", begun - max(0.0, waited), begun), Lap("claim", begun, time.perf_counter())


_MINE = Prepared(
    lambda: (
        Reply.select()
        .where((Reply.id == Slot("reply")) & (Reply.fence == Slot("fence")) & (Reply.state == "working"))
        .limit(1)
    )
)

#: A reply whose price is held, and one whose answer is there.
HELD = Prepared(lambda: Reply.update(hold_id=Slot("hold")).where(Reply.id == Slot("reply")))
DONE = Prepared(
    lambda: Reply.update(state="done", hold_id=None, trace=Slot("trace", Reply.trace)).where(Reply.id == Slot("reply"))
)


def mine(claim: Claim) -> Reply | None:
    """The claim's reply, while it is the claim's; None where the fence has moved."""
    found: Reply | None = _MINE.bind(reply=claim.reply_id, fence=claim.fence).first()
    return found


def claiming(db: Database, seconds: float) -> Any:
    """The statement that takes a reply which waits, or whose worker has not been heard of."""
    is_free = (Reply.state == "pending") | ((Reply.state == "working") & (Reply.lease_until < db.now_ms()))
    return (
        Reply.update(
            state="working",
            fence=Reply.fence + 1,
            attempts=Reply.attempts + 1,
            lease_until=db.now_ms(seconds),
            trace=signed(),
        )
        .where((Reply.id == Slot("reply")) & is_free)
        .returning(Reply)
    )
