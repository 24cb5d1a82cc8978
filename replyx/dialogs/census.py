"""Figures over many rows: what each user has and spent, and how much is still to be answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from replyx.billing.money import rubles
from replyx.clock import Clock
from replyx.dialogs.writing import OPEN_STATES
from replyx.storage.assistants import Assistant
from replyx.storage.billing import LedgerTransfer
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Reply
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
                _count_by(Assistant.user, Assistant.id, ids),
                _count_by(Dialog.user, Dialog.id, ids),
            )
        return {user_id: UserFigures(*(figures.get(user_id, 0) for figures in by_user)) for user_id in ids}

    def waiting_replies(self) -> tuple[int, float]:
        """How many answers are owed, and for how many seconds the oldest has been."""
        with self._db.connection():
            waiting = Reply.select(fn.COUNT(Reply.id), fn.MIN(Reply.created_at)).where(Reply.state.in_(OPEN_STATES))
            count, oldest = waiting.tuples().first()
        if not count:
            return 0, 0.0
        return int(count), max(0.0, (self._clock.now() - oldest).total_seconds())


def _count_by(owner: Any, counted: Any, ids: list[int]) -> dict[int, int]:
    return _by_key(owner.model.select(owner, fn.COUNT(counted)).where(owner.in_(ids)).group_by(owner))


def _by_key(query: Any) -> dict[int, int]:
    return {int(key): int(figure) for key, figure in query.tuples()}
