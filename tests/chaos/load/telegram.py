"""Customers in Telegram: they write to a bot of the fake Bot API and read their chat; postmen note what the API saw."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress

from replyx.testing.telegram_bots import Call, FakeBot
from tests.chaos.load.questions import QUESTIONS
from tests.chaos.load.running import TELEGRAM, Client, Kind, Stage
from tests.chaos.tenants import Tenant

#: Seconds that a customer waits for an answer before it says something else all the same.
_PATIENCE = 20.0

#: Seconds between two looks of a postman.
_LOOK = 0.05

#: What an answer ends in that is still being written.
_UNFINISHED = "▍"

#: Calls that change what stands in a chat.
_SAYING = ("sendMessage", "editMessageText", "deleteMessage")


def chatters(tenant_name: str, count: int) -> Kind:
    """`count` customers of a tenant's bot, and the postman between them and the API's own log."""

    def make(stage: Stage) -> list[Client]:
        tenant = stage.people[tenant_name]
        bot = stage.telegram.bots[tenant.bot_id]
        # Numbers of chats are nobody else's, in whatever bot: a message's key is made of them.
        first = 1_000_000 * tenant.user_id
        postman = Postman(stage, bot)
        return [postman, *(Chatter(stage, tenant, postman, first + number) for number in range(count))]

    return make


class Chatter:
    """One customer with one chat."""

    def __init__(self, stage: Stage, tenant: Tenant, postman: Postman, chat: int) -> None:
        self._stage, self._tenant, self._postman, self._chat = stage, tenant, postman, chat
        self._name = f"{tenant.name}-t{chat}"
        self._dice = stage.dice(self._name)
        self._answered = asyncio.Event()
        self._number = 0
        postman.guests[chat] = self

    async def run(self) -> None:
        await asyncio.sleep(self._dice.random() * self._stage.pause * 4)
        while not self._stage.is_over.is_set() and self._stage.take_turn(TELEGRAM):
            await self._say()
            await self._rest()
        await self._stage.may_leave.wait()

    def hear(self, call: Call) -> None:
        """The bot has said, changed or taken away something in the chat."""
        text = str(call.parameters.get("text", ""))
        number = call.message_id or call.parameters.get("message_id")
        self._stage.history.add(
            "told",
            who=self._name,
            tenant=self._tenant.name,
            chat=self._chat,
            method=call.method,
            message=number,
            text=text,
        )
        if text and not text.endswith(_UNFINISHED):
            self._answered.set()

    async def _say(self) -> None:
        self._number += 1
        words = self._dice.choice(QUESTIONS)
        text = f"{self._tenant.canary} вопрос {self._name}-{self._number}: {words}"
        self._answered.clear()
        update = self._postman.bot.message(self._chat, text)
        key = f"tg:{self._chat}:{update['message']['message_id']}"
        self._stage.pending.add(key)
        self._stage.history.add("send", who=self._name, dialog=None, chat=self._chat, key=key, text=text)
        await self._postman.confirmed(update["update_id"])
        # An offset confirmed it: it will not come again, so it must be stored.
        self._stage.history.add("ok", who=self._name, key=key)
        self._stage.settled += 1
        self._stage.pending.discard(key)

    async def _rest(self) -> None:
        """Mostly wait for the answer, as people do; now and then go on at once."""
        if self._dice.random() < 0.85:
            waiting = [asyncio.ensure_future(event.wait()) for event in (self._answered, self._stage.is_over)]
            _, pending = await asyncio.wait(waiting, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
        await asyncio.sleep(self._dice.random() * 2 * self._stage.pause)


class Postman:
    """Reads the API's log and its confirmed offsets of one bot, for the customers of it and for the history."""

    def __init__(self, stage: Stage, bot: FakeBot) -> None:
        self._stage, self.bot = stage, bot
        #: By chat; customers enter themselves.
        self.guests: dict[int, Chatter] = {}
        self._waiting: dict[int, asyncio.Event] = {}
        self._confirmed = self._read = 0

    async def run(self) -> None:
        while not self._stage.may_leave.is_set():
            self._look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stage.may_leave.wait(), _LOOK)
        self._look()

    async def confirmed(self, update_id: int) -> None:
        """Return once an offset has confirmed the update. To be called right after it was made."""
        event = self._waiting[update_id] = asyncio.Event()
        await event.wait()

    def _look(self) -> None:
        telegram = self._stage.telegram
        with telegram.lock:
            confirmed = self.bot.confirmed[self._confirmed :]
            fresh = list(itertools.takewhile(lambda call: call.number > self._read, reversed(telegram.calls)))
        self._confirmed += len(confirmed)
        for update_id in confirmed:
            self._waiting.pop(update_id).set()
        for call in reversed(fresh):
            self._read = call.number
            guest = self.guests.get(call.chat_id or 0)
            if call.bot_id == self.bot.id and guest is not None and call.had_effect and call.method in _SAYING:
                guest.hear(call)
