"""The audit log: logins, refusals, money and administration, written in the transaction of what they tell of.

Who is behind a call is known at the edge, and told here once (`begin`); services below need not hand it through.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from replyx.clock import Clock, iso
from replyx.log import one_line
from replyx.storage.audit import AuditRow
from replyx.storage.database import Database
from replyx.storage.row_counts import kept_count
from replyx.types import Json

logger = logging.getLogger(__name__)

#: Outcomes of what was tried.
OK, REFUSED = "ok", "refused"

#: Seconds in which the same refusal of the same caller is written once: a flood of them must not fill the disk.
SELDOM_SECONDS = 60.0

#: Refusals remembered at most; the memory is emptied beyond.
_MOST_REMEMBERED = 10_000

#: Lines of a span of time that are counted at most: no count is kept of spans.
_MOST_COUNTED = 10_000

#: Characters that are kept of each text.
_LONGEST = 254


@dataclass
class Caller:
    """Who is behind what happens now: an address, `cli` or `system`; and the user, once one was proven."""

    peer: str = "system"
    user_id: int | None = None


_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def begin(peer: str) -> Caller:
    """Note that what this task or thread does from now on is done for `peer`; the user may be filled in later."""
    made = Caller(peer)
    _caller.set(made)
    return made


@dataclass(frozen=True)
class AuditFilter:
    """Which lines are asked for; None means any."""

    action: str | None = None
    user_id: int | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class AuditView:
    """One line of the log."""

    id: int
    created_at: datetime
    user_id: int | None
    peer: str
    action: str
    object: str
    outcome: str
    details: Json | None

    def as_json(self) -> Json:
        """An element of `events` of `GET /api/admin/audit`."""
        return {**vars(self), "created_at": iso(self.created_at), "details": self.details or {}}


class Audit:
    """Writes and reads the log; may be made as often as it is needed."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._lock = threading.Lock()
        self._told: dict[tuple[str, ...], float] = {}

    def record(
        self,
        action: str,
        about: object = "",
        *,
        outcome: str = OK,
        user_id: int | None = None,
        **details: Any,
    ) -> None:
        """Write one line, in the caller's transaction where there is one. `details` are texts and numbers, no secrets.

        `user_id` is who did it, where that is not the user whom the edge has proven.
        """
        caller = _caller.get() or Caller()
        who = caller.user_id if user_id is None else user_id
        row = {
            "user_id": who,
            "peer": one_line(caller.peer)[:64],
            "action": action,
            "object": one_line(str(about))[:_LONGEST],
            "outcome": outcome,
        }
        more = _plain(details)
        with self._db.transaction():
            AuditRow.create(created_at=self._clock.now(), details=more or None, **row)
            self._db.after_commit(lambda: logger.info("audit", extra={**row, **({"details": more} if more else {})}))

    def refuse(self, action: str, about: object = "") -> None:
        """Write that something was refused, at most once a minute of one caller: for what costs the caller nothing."""
        caller = _caller.get() or Caller()
        key, now = (action, caller.peer, str(caller.user_id)), self._clock.monotonic()
        with self._lock:
            if now - self._told.get(key, now - SELDOM_SECONDS) < SELDOM_SECONDS:
                return
            if len(self._told) >= _MOST_REMEMBERED:
                self._told.clear()
            self._told[key] = now
        self.record(action, about, outcome=REFUSED)

    def list(self, which: AuditFilter) -> tuple[list[AuditView], int]:
        """The page that `which` asks for, newest first, and how many there are, of a span of time at most 10,000."""
        with self._db.connection():
            query = AuditRow.select()
            for column, value in (
                (AuditRow.action, which.action),
                (AuditRow.user_id, which.user_id),
                (AuditRow.outcome, which.outcome),
            ):
                if value is not None:
                    query = query.where(column == value)
            if which.since is not None:
                query = query.where(AuditRow.created_at >= which.since)
            if which.until is not None:
                query = query.where(AuditRow.created_at < which.until)
            total = _how_many(which, query)
            rows = query.order_by(AuditRow.id.desc()).limit(which.limit).offset(which.offset)
            names = AuditView.__dataclass_fields__
            return [AuditView(**{name: getattr(row, name) for name in names}) for row in rows], total

    def purge(self, days: int) -> int:
        """Forget what is older than `days`; returns how many lines."""
        with self._db.transaction():
            old = AuditRow.created_at < self._clock.now() - timedelta(days=days)
            return int(AuditRow.delete().where(old).execute())


def _how_many(which: AuditFilter, query: Any) -> int:
    if which.since is None and which.until is None:
        return kept_count("audit_log", owner_id=which.user_id, first=which.action, second=which.outcome)
    return int(query.limit(_MOST_COUNTED).count())


def _plain(details: Mapping[str, Any]) -> Json:
    return {
        name: one_line(value)[:_LONGEST] if isinstance(value, str) else value
        for name, value in details.items()
        if value is not None
    }
