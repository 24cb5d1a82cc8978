"""How each bot is, for its owner and whoever runs the appliance: state, process, and what waits in both directions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import peewee

from replyx.assistants.bots import REFUSED_STATE, STARTING, UNREACHABLE, WAITING, Bots, BotView
from replyx.storage.database import Database
from replyx.storage.deliveries import Delivery
from replyx.storage.telegram import TelegramUpdate
from replyx.tasks.beats import Beats
from replyx.types import SYSTEM, Actor, Json


@dataclass(frozen=True)
class BotState:
    """A bot and its figures."""

    bot: BotView
    #: The name of the process that runs it.
    process: str | None
    #: Updates that came and have had no effect yet; messages on their way; messages that may have come twice or not.
    waiting: int
    to_send: int
    in_doubt: int

    def as_json(self, language: str) -> Json:
        """What stands in lists; one that does not work carries the contract's code."""
        bot = self.bot
        fails = bot.state in (REFUSED_STATE, UNREACHABLE)
        return {
            "assistant_id": bot.assistant_id,
            "assistant_name": bot.assistant_name,
            "username": bot.username,
            "state": bot.state,
            "seconds": round(bot.seconds, 1),
            "message": bot.message(language),
            "detail": bot.detail,
            "code": "BOT_STARTUP_FAILED" if fails else None,
            "process": self.process,
            "last_update_seconds": None if bot.last_update is None else round(bot.last_update, 1),
            "waiting": self.waiting,
            "to_send": self.to_send,
            "in_doubt": self.in_doubt,
        }


class BotStates:
    """Reads of the register of bots, the inbox and the deliveries together."""

    def __init__(self, db: Database, bots: Bots, beats: Beats) -> None:
        self._db, self._bots, self._beats = db, bots, beats

    def list_for(self, actor: Actor) -> list[BotState]:
        """The bots that `actor` may know of, by assistant."""
        return self._of(self._known(actor))

    def counts(self) -> dict[str, int]:
        """How many bots are in each state."""
        return dict(Counter(bot.state for bot in self._known(SYSTEM)))

    def get(self, actor: Actor, assistant_id: int) -> BotState:
        """The bot of one assistant; `none` or `off` where there is none that could run.

        Raises:
            NotFound: there is no such assistant, or it is another tenant's.
        """
        known = self._known(actor, assistant_id) or [self._bots.idle(actor, assistant_id)]
        return self._of(known)[0]

    def _known(self, actor: Actor, assistant_id: int | None = None) -> list[BotView]:
        """The bots; one that no process has is starting where a manager lives, which will take it."""
        bots = self._bots.statuses(actor, assistant_id)
        if all(bot.state != WAITING for bot in bots):
            return bots
        is_managed = any(beat.alive and beat.role == "bots" for beat in self._beats.list())
        return [replace(bot, state=STARTING) if is_managed and bot.state == WAITING else bot for bot in bots]

    def _of(self, bots: list[BotView]) -> list[BotState]:
        ids = [bot.assistant_id for bot in bots]
        processes = {str((beat.detail or {}).get("holder")): beat.name for beat in self._beats.list() if beat.alive}
        with self._db.connection():
            # Word for word the conditions of the indexes.
            waiting = _counts(TelegramUpdate, ids, TelegramUpdate.state == peewee.SQL("'new'"))
            to_send = _counts(Delivery, ids, peewee.SQL("state IN ('new', 'sending')"))
            odd = peewee.SQL("(state <> 'sent' OR doubts > 0)")
            in_doubt = _counts(Delivery, ids, odd & (Delivery.doubts > 0))
        return [
            BotState(
                bot=bot,
                process=processes.get(bot.holder or ""),
                waiting=waiting.get(bot.assistant_id, 0),
                to_send=to_send.get(bot.assistant_id, 0),
                in_doubt=in_doubt.get(bot.assistant_id, 0),
            )
            for bot in bots
        ]


def _counts(table: Any, assistant_ids: list[int], condition: Any) -> dict[int, int]:
    if len(assistant_ids) == 1:
        condition = condition & (table.assistant == assistant_ids[0])
    rows = table.select(table.assistant, peewee.fn.COUNT(table.id)).where(condition).group_by(table.assistant)
    return dict(rows.tuples())
