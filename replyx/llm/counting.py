"""The two statements that a call of a key goes through: which keys are ready, and counting the call where it may be."""

from __future__ import annotations

from typing import Any

import peewee

from replyx.llm.breaker import OPEN_AFTER, PROBE_SECONDS
from replyx.storage.ai_tokens import AiToken
from replyx.storage.database import Database
from replyx.storage.prepared import Prepared, Slot


class Counting:
    """Prepared once for a database; both methods are called inside a transaction."""

    def __init__(self, db: Database) -> None:
        self._ready = Prepared(lambda: AiToken.select().where(AiToken.is_active & _rested(db)))
        self._count = Prepared(lambda: _counting(db))

    def ready(self) -> Any:
        """Keys that are on and do not rest, whatever their limits."""
        return self._ready.bind()

    def count(self, token_id: int, day: str, month: str) -> bool:
        """Count a call, unless a limit is reached, or another call is the probe: the one UPDATE that decides."""
        changed: int = self._count.bind(token=token_id, day=day, month=month).execute()
        return changed == 1


def has_room(row: AiToken, day: str, month: str) -> bool:
    """Whether a row as it was read is within its limits: saves the statement for keys that are plainly not."""
    daily = row.daily_usage if row.usage_day == day else 0
    monthly = row.monthly_usage if row.usage_month == month else 0
    return not (0 < row.daily_limit <= daily or 0 < row.monthly_limit <= monthly)


def _rested(db: Database) -> Any:
    return AiToken.cooling_until.is_null() | (AiToken.cooling_until <= db.now_ms())


def _counting(db: Database) -> Any:
    """A new day and a new month begin at 1. A key whose breaker is open rests from here on: this call is its probe."""
    same_day, same_month = AiToken.usage_day == Slot("day"), AiToken.usage_month == Slot("month")
    daily = (AiToken.daily_limit == 0) | ~same_day | (AiToken.daily_usage < AiToken.daily_limit)
    monthly = (AiToken.monthly_limit == 0) | ~same_month | (AiToken.monthly_usage < AiToken.monthly_limit)
    is_open = AiToken.failures >= OPEN_AFTER
    return AiToken.update(
        daily_usage=_plus_one_or_one(same_day, AiToken.daily_usage),
        monthly_usage=_plus_one_or_one(same_month, AiToken.monthly_usage),
        usage_day=Slot("day"),
        usage_month=Slot("month"),
        cooling_until=peewee.Case(None, [(is_open, db.now_ms(PROBE_SECONDS))], None),
    ).where((AiToken.id == Slot("token")) & AiToken.is_active & _rested(db) & daily & monthly)


def _plus_one_or_one(same: Any, column: Any) -> Any:
    return peewee.Case(None, [(same, column + 1)], 1)
