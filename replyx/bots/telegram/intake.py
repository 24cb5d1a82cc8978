"""The intake: stored updates become messages in dialogs, in order within a chat, after a crash again without harm."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import islice
from typing import Any

from pydantic import ValidationError

from replyx.app import App
from replyx.bots.telegram.handling import Handling, Place
from replyx.bots.telegram.reading import read_update
from replyx.bots.telegram.running_bot import RunningBot
from replyx.dialogs.taking import Words
from replyx.dialogs.updates import MOST_ATTEMPTS, StoredUpdate
from replyx.errors import DatabaseUnavailable, ReplyXError

logger = logging.getLogger(__name__)

#: Chats of one bot that are worked on at the same time.
_CHATS_AT_ONCE = 4

#: Messages of one chat that are stored in one commit.
_WORDS_AT_ONCE = 20

#: Seconds after which the inbox is looked at without being told to.
_LOOK_SECONDS = 30.0

#: Seconds to wait after a first failed try; they double.
_FIRST_PAUSE = 0.5


async def run_intake(app: App, bot: RunningBot) -> None:
    """Work on the bot's inbox until the bot is to stop."""
    intake = _Intake(app, bot)
    while not bot.stop.is_set():
        bot.news.clear()
        try:
            worked = await intake.turn()
        except DatabaseUnavailable:
            logger.warning("the inbox cannot be read and is tried again", extra={"assistant_id": bot.assistant_id})
            await bot.pause(1.0)
            continue
        if not worked:
            try:
                await asyncio.wait_for(bot.news.wait(), _LOOK_SECONDS)
            except TimeoutError:
                continue


class _Intake:
    """One turn takes what waits, chat by chat."""

    def __init__(self, app: App, bot: RunningBot) -> None:
        self._app, self._bot = app, bot
        self._handling = Handling(app, bot)
        #: The operators' group, as it was at the beginning of the turn.
        self._group_id: int | None = None
        self._has_begun = False

    async def turn(self) -> bool:
        """Work on what can be worked on; whether there was anything."""
        if not self._has_begun:
            await self._app.call(self._app.updates.suspect, self._bot.assistant_id)
            self._has_begun = True
        ready = await self._app.call(self._look)
        permits = asyncio.Semaphore(_CHATS_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for rest in ready:
                if rest:
                    tasks.create_task(self._chat(rest, permits))
        return bool(ready)

    def _look(self) -> list[deque[StoredUpdate]]:
        """What waits, chat by chat; the plain words at the head of each are taken at once, in this thread."""
        app, assistant_id = self._app, self._bot.assistant_id
        waiting = app.updates.waiting(assistant_id)
        if not waiting:
            return []
        self._group_id, _ = app.topics.group_of(assistant_id)
        chats: dict[int, deque[StoredUpdate]] = {}
        moves = any(_is_move(update.payload) for update in waiting)
        for update in waiting:
            # Where a group moves to another id, what is said there must not come before the move.
            chats.setdefault(0 if moves else chat_of(update.payload), deque()).append(update)
        # While the head of a chat pauses after a failure, what was said after it has to wait, too.
        ready = [rest for rest in chats.values() if rest[0].is_due]
        for rest in ready:
            self._take_words(rest)
        return ready

    async def _chat(self, rest: deque[StoredUpdate], permits: asyncio.Semaphore) -> None:
        async with permits:
            while rest:
                if self._bot.stop.is_set() or not rest[0].is_due or not await self._one(rest.popleft()):
                    return
                if rest and not rest[0].attempts:
                    await self._app.call(self._take_words, rest)

    def _take_words(self, rest: deque[StoredUpdate]) -> None:
        """Take the plain words at the head of a chat off it; where they cannot be taken together, they stay."""
        while rest and not self._bot.stop.is_set():
            place: Place | None = None
            taken: list[Words] = []
            for update in islice(rest, _WORDS_AT_ONCE):
                # What has been tried before is looked at for itself.
                found = self._handling.plain_words(update, self._group_id) if not update.attempts else None
                if found is None or place not in (None, found[0]):
                    break
                place = found[0]
                taken.append(found[1])
            if place is None:
                return
            try:
                self._app.taking.take(self._bot.assistant_id, place.chat_id, place.thread_id, taken)
            except DatabaseUnavailable:
                raise
            except ReplyXError:
                # One after the other: then it shows which one it is.
                return
            for _ in taken:
                rest.popleft()

    async def _one(self, update: StoredUpdate) -> bool:
        """Make the effect of one update; False where the chat has to wait."""
        attempt = 0
        try:
            attempt, is_taken = await self._app.call(self._begin, update)
            if is_taken:
                return True
            if attempt > MOST_ATTEMPTS:
                await self._give_up(update, "it ended the process again and again")
                return True
            await self._handling.handle(update.update_id, read_update(update.payload, self._bot.api))
        except DatabaseUnavailable:
            raise
        except Exception as error:
            # What pydantic says of an update repeats the customer's words.
            known = isinstance(error, ValidationError | ReplyXError)
            about = {"assistant_id": self._bot.assistant_id, "update_id": update.update_id, "attempt": attempt}
            told = {**about, "error": type(error).__name__}
            logger.warning("an update could not be processed", extra=told, exc_info=None if known else error)
            return await self._failed(update, attempt, error)
        await self._app.call(self._app.updates.done, update.id)
        return True

    def _begin(self, update: StoredUpdate) -> tuple[int, bool]:
        """Count the try; whether the update was no more than plain words, and is taken.

        The shorter the time between the two, the fewer deaths of others are held against an innocent message.
        """
        attempt = self._app.updates.begin(update)
        found = self._handling.plain_words(update, self._group_id) if attempt <= MOST_ATTEMPTS else None
        if found is None:
            return attempt, False
        place, words = found
        try:
            self._app.taking.take(self._bot.assistant_id, place.chat_id, place.thread_id, [words])
        except DatabaseUnavailable:
            raise
        except ReplyXError:
            return attempt, False
        return attempt, True

    async def _failed(self, update: StoredUpdate, attempt: int, error: Exception) -> bool:
        """Try it again later, or give it up; False where the chat has to wait."""
        name = type(error).__name__
        if isinstance(error, ValidationError) or attempt >= MOST_ATTEMPTS:
            await self._give_up(update, name)
            return True
        pause = _FIRST_PAUSE * 2 ** (attempt - 1)
        await self._app.call(self._app.updates.failed, update.id, name, pause)
        self._bot.wake_later(pause)
        return False

    async def _give_up(self, update: StoredUpdate, why: str) -> None:
        """The update is put aside; a customer behind it is handed to a person."""
        about = {"assistant_id": self._bot.assistant_id, "update_id": update.update_id, "error": why}
        logger.error("an update is given up; it stays in telegram_updates", extra=about)
        # In this order: a death in between apologizes a second time, which changes nothing.
        await self._handling.apologize(update.payload)
        await self._app.call(self._app.updates.failed, update.id, why, None)


def chat_of(payload: dict[str, Any]) -> int:
    """The chat that an update belongs to, for the order of its effects; 0 where it has none."""
    for key in ("message", "edited_message", "my_chat_member"):
        found = _number(payload.get(key), "chat", "id")
        if found:
            return found
    pressed = payload.get("callback_query")
    return _number(pressed, "message", "chat", "id") or _number(pressed, "from", "id")


def _is_move(payload: dict[str, Any]) -> bool:
    message = payload.get("message")
    return isinstance(message, dict) and ("migrate_to_chat_id" in message or "migrate_from_chat_id" in message)


def _number(value: Any, *path: str) -> int:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if type(value) is int else 0
