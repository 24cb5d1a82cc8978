"""Telegram's inbox: updates are committed here before they are confirmed, and leave it once their effect is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from replyx.errors import Conflict
from replyx.events.bus import Bus
from replyx.events.catalogue import TELEGRAM_UPDATES
from replyx.storage.database import Database
from replyx.storage.telegram import TelegramBot, TelegramUpdate
from replyx.types import Json

#: Telegram keeps updates for 24 hours. After a longer silence no offset is needed, and none is safe: after a week the
#: numbers begin anew, at any place.
_SILENCE_MS = 25 * 3_600_000

#: Milliseconds for which processed updates are kept, to know one that comes again.
_KEPT_MS = 3 * 86_400_000

#: Tries after which an update is given up.
MOST_ATTEMPTS = 8


@dataclass(frozen=True)
class StoredUpdate:
    """An update that waits for its effect. `is_due` is clear while it pauses after a failed try."""

    id: int
    update_id: int
    payload: Json = field(repr=False)
    attempts: int
    is_due: bool


class Updates:
    """The inbox of all bots."""

    def __init__(self, db: Database, bus: Bus) -> None:
        self._db, self._bus = db, bus

    def next_offset(self, bot_id: int) -> int | None:
        """What Telegram is to be asked from, which confirms everything before; None: from what it still has.

        It is read from what was stored, and from what was stored last: the numbers of another server, or of another
        week, may be lower than earlier ones.
        """
        with self._db.connection():
            fresh = TelegramUpdate.received_at > self._db.now_ms() - _SILENCE_MS
            query = TelegramUpdate.select(TelegramUpdate.update_id).where((TelegramUpdate.bot_id == bot_id) & fresh)
            last = query.order_by(TelegramUpdate.id.desc()).limit(1).scalar()
            return None if last is None else int(last) + 1

    def store(self, assistant_id: int, bot_id: int, updates: Sequence[Json]) -> int:
        """Commit updates as they came; those that are known already change nothing. Answers how many are new.

        Raises:
            Conflict: a number comes with another content while its earlier one still waits, or somebody else stores at
                the same time: nothing was stored, and the same batch is to be tried again a little later.
        """
        if not updates:
            return 0
        # The last one of a number wins within a batch, too.
        given = {update["update_id"]: _packed(update) for update in updates}
        with self._db.transaction():
            known = self._known(bot_id, list(given))
            fresh = [number for number, payload in given.items() if known.get(number) != payload]
            reused = [number for number in fresh if number in known]
            if reused:
                self._clear(bot_id, reused)
            now = self._db.now_ms()
            rows = [
                {
                    "assistant": assistant_id,
                    "bot_id": bot_id,
                    "update_id": number,
                    "payload": given[number],
                    "received_at": now,
                }
                for number in fresh
            ]
            if rows:
                TelegramUpdate.insert_many(rows).execute()
                TelegramBot.update(last_update_at=now).where(TelegramBot.assistant == assistant_id).execute()
                self._db.after_commit(lambda: self._bus.publish(TELEGRAM_UPDATES, {"assistant_id": assistant_id}))
            return len(rows)

    def waiting(self, assistant_id: int, limit: int = 200) -> list[StoredUpdate]:
        """The assistant's updates whose effect is still to be made, in the order in which they came."""
        with self._db.connection():
            due = (TelegramUpdate.due_at <= self._db.now_ms()).alias("is_due")
            # Word for word the condition of the index.
            is_new = TelegramUpdate.state == "new"
            rows: Any = (
                TelegramUpdate.select(TelegramUpdate, due)
                .where((TelegramUpdate.assistant == assistant_id) & is_new)
                .order_by(TelegramUpdate.id)
                .limit(limit)
            )
            return [
                StoredUpdate(row.id, row.update_id, json.loads(row.payload), row.attempts, bool(row.is_due))
                for row in rows
            ]

    def assistants_waiting(self) -> list[int]:
        """Assistants with an update whose effect can be made now."""
        with self._db.connection():
            is_due = (TelegramUpdate.state == "new") & (TelegramUpdate.due_at <= self._db.now_ms())
            rows: Any = TelegramUpdate.select(TelegramUpdate.assistant).where(is_due).distinct().tuples()
            return [row[0] for row in rows]

    def suspect(self, assistant_id: int) -> int:
        """Count a try of everything that waits and has none: whoever had the bot before may have died of it.

        From then on each is tried for itself, so that only the deadly one is given up. Answers how many there were.
        """
        with self._db.transaction():
            untried = (TelegramUpdate.assistant == assistant_id) & (TelegramUpdate.state == "new")
            suspected: int = TelegramUpdate.update(attempts=1).where(untried & (TelegramUpdate.attempts == 0)).execute()
            return suspected

    def begin(self, update: StoredUpdate) -> int:
        """Count a try before it is made, so that one that kills its process counts; answers which one it is, from 1."""
        with self._db.transaction():
            TelegramUpdate.update(attempts=TelegramUpdate.attempts + 1).where(TelegramUpdate.id == update.id).execute()
        return update.attempts + 1

    def done(self, *row_ids: int) -> None:
        """Their effect is committed."""
        with self._db.transaction():
            TelegramUpdate.update(state="done", error=None).where(TelegramUpdate.id.in_(row_ids)).execute()

    def failed(self, row_id: int, error: str, pause: float | None) -> None:
        """Try it again after `pause` seconds; None: it is given up, and stays to be looked at."""
        changes = {"state": "dead"} if pause is None else {"due_at": self._db.now_ms(pause)}
        with self._db.transaction():
            TelegramUpdate.update(**changes, error=error[:300]).where(TelegramUpdate.id == row_id).execute()

    def counts(self) -> Json:
        """How many wait, how many were given up, and seconds since the oldest that waits was received."""
        with self._db.connection():
            age = self._db.now_ms() - TelegramUpdate.received_at
            rows: Any = (
                TelegramUpdate.select(age)
                .where(TelegramUpdate.state == "new")
                .order_by(TelegramUpdate.id)
                .limit(10_000)
            )
            waiting = [row[0] for row in rows.tuples()]
            dead = TelegramUpdate.select().where(TelegramUpdate.state == "dead").count()
            oldest = max(waiting, default=0)
            return {"waiting": len(waiting), "dead": dead, "oldest_seconds": round(max(0, oldest) / 1000, 1)}

    def purge(self) -> int:
        """Forget what was processed days ago; returns how many."""
        with self._db.transaction():
            old = TelegramUpdate.received_at < self._db.now_ms() - _KEPT_MS
            removed: int = TelegramUpdate.delete().where((TelegramUpdate.state == "done") & old).execute()
            return removed

    def _known(self, bot_id: int, numbers: list[int]) -> dict[int, str]:
        rows: Any = (
            TelegramUpdate.select(TelegramUpdate.update_id, TelegramUpdate.payload)
            .where((TelegramUpdate.bot_id == bot_id) & TelegramUpdate.update_id.in_(numbers))
            .tuples()
        )
        return dict(rows)

    def _clear(self, bot_id: int, numbers: list[int]) -> None:
        """Make room for numbers that are used a second time, for something else."""
        theirs = (TelegramUpdate.bot_id == bot_id) & TelegramUpdate.update_id.in_(numbers)
        if TelegramUpdate.delete().where(theirs & (TelegramUpdate.state != "new")).execute() != len(numbers):
            raise _busy()


def _packed(update: Json) -> str:
    return json.dumps(update, separators=(",", ":"), sort_keys=True)


def _busy() -> Conflict:
    return Conflict("Обновления ещё обрабатываются", "Updates are still being processed")
