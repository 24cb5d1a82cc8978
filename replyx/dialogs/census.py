"""Figures over many rows: what each user has and spent, and how much is still to be answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from replyx.billing.money import rubles
from replyx.clock import Clock
from replyx.dialogs.writing import OPEN_STATES
from replyx.storage.ai_tokens import AiToken
from replyx.storage.billing import Hold, LedgerTransfer
from replyx.storage.database import Database, Table
from replyx.storage.dialogs import Dialog, Reply
from replyx.storage.knowledge import Document
from replyx.storage.row_counts import fold_counts, kept_counts_by_owner
from replyx.types import Json


@dataclass(frozen=True)
class UserFigures:
    """What a user has: rows of each kind, and kopecks spent in all."""

    total_spent: int = 0
    assistants_count: int = 0
    dialogs_count: int = 0

    def as_json(self) -> Json:
        """The contract's fields of a row of `GET /api/admin/users`."""
        return {
            "total_spent": rubles(self.total_spent),
            "assistants_count": self.assistants_count,
            "dialogs_count": self.dialogs_count,
        }


class Census:
    """Counts; for administrators and for health."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    def of_users(self, user_ids: Sequence[int]) -> dict[int, UserFigures]:
        """Figures of each of the users, three queries in all."""
        ids = list(user_ids)
        if not ids:
            return {}
        with self._db.connection():
            spent = LedgerTransfer.select(LedgerTransfer.user_id, fn.SUM(LedgerTransfer.amount)).where(
                LedgerTransfer.user_id.in_(ids) & (LedgerTransfer.kind == "capture")
            )
            by_user = (
                _by_key(spent.group_by(LedgerTransfer.user_id)),
                kept_counts_by_owner("assistants", ids),
                kept_counts_by_owner("dialogs", ids),
            )
        return {user_id: UserFigures(*(figures.get(user_id, 0) for figures in by_user)) for user_id in ids}

    def fold_counts(self) -> int:
        """Sum kept counts up, so that reading them stays quick; returns how many had to be."""
        return fold_counts(self._db)

    def waiting_replies(self) -> tuple[int, float]:
        """How many answers are owed, and for how many seconds the oldest has been."""
        with self._db.connection():
            waiting = Reply.select(fn.COUNT(Reply.id), fn.MIN(Reply.created_at)).where(Reply.state.in_(OPEN_STATES))
            count, oldest = waiting.tuples().first()
        if not count:
            return 0, 0.0
        return int(count), max(0.0, (self._clock.now() - oldest).total_seconds())

    def handoffs(self) -> dict[str, int]:
        """Dialogs by the state of their handoff, of those that have one."""
        with self._db.connection():
            return _states(Dialog, Dialog.handoff_status, Dialog.handoff_status != "none")

    def open_holds(self) -> tuple[int, int]:
        """How many holds are open, and how many kopecks they hold."""
        with self._db.connection():
            found = Hold.select(fn.COUNT(Hold.id), fn.SUM(Hold.amount)).where(Hold.state == "open").tuples().first()
        return int(found[0]), int(found[1] or 0)

    def documents(self) -> dict[str, int]:
        """Documents by state."""
        with self._db.connection():
            return _states(Document, Document.status)

    def ai_keys(self) -> dict[str, int]:
        """AI keys by what they can do now."""
        with self._db.connection():
            keys: list[Any] = list(AiToken.select(AiToken.is_active, AiToken.cooling_until).tuples())
        now = self._clock.now()
        states = ["off" if not on else "resting" if until and until > now else "ready" for on, until in keys]
        return {state: states.count(state) for state in ("ready", "resting", "off")}

    def ai_key_calls(self) -> dict[str, int]:
        """Calls of each AI key on the day that it was last used."""
        with self._db.connection():
            calls: Iterable[Any] = AiToken.select(AiToken.name, AiToken.daily_usage).tuples()
            return dict(calls)


def _states(table: type[Table], column: Any, where: Any = None) -> dict[str, int]:
    query = table.select(column, fn.COUNT(column)).group_by(column)
    counted: Iterable[Any] = (query if where is None else query.where(where)).tuples()
    return dict(counted)


def _by_key(query: Any) -> dict[int, int]:
    return {int(key): int(figure) for key, figure in query.tuples()}
