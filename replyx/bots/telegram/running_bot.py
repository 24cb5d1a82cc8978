"""One bot that runs here: its ways to Telegram and how it is, as the manager and its tasks share them."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from aiogram import Bot

from replyx.app import App
from replyx.assistants.bots import CONFLICT, RUNNING, STARTING, UNREACHABLE, BotSpec
from replyx.bots.telegram.session import BotSession

logger = logging.getLogger(__name__)

#: Kinds of updates that are asked for.
KINDS = ["message", "edited_message", "callback_query", "my_chat_member"]

#: Seconds of trouble after which it is told: a second poller that ends, or a hiccup of the network, is none.
_ALARM_SECONDS = {CONFLICT: 10.0, UNREACHABLE: 10.0}

#: Seconds without Telegram after which it is told again, loudly: after a day it forgets what customers wrote.
_LAST_CALL_SECONDS = 20 * 3600.0

#: Telegram keeps updates for a day: after longer, an offset confirms nothing that is left.
_LONG_SILENCE_SECONDS = 25 * 3600.0


@dataclass
class RunningBot:
    """What a bot's tasks share. All of it belongs to the manager's loop."""

    spec: BotSpec
    holder: str
    polling: BotSession
    #: For calling methods: on a session of its own, which long polls do not fill.
    api: Bot
    #: For long polls only.
    poll_api: Bot
    username: str = ""
    #: Set to end the bot's tasks.
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when the inbox may hold something for it.
    news: asyncio.Event = field(default_factory=asyncio.Event)
    #: When Telegram last answered, by the monotonic clock.
    last_answer: float = field(default_factory=time.monotonic)
    state: str = STARTING
    _heard: float = field(default_factory=time.monotonic)
    _trouble: str = ""
    _trouble_since: float = 0.0
    _has_called: bool = False

    @property
    def assistant_id(self) -> int:
        return self.spec.assistant_id

    @property
    def bot_id(self) -> int:
        """Telegram's number of the bot."""
        return self.spec.bot_id

    @property
    def silence_is_long(self) -> bool:
        """No update for so long that Telegram's numbers may begin anew."""
        return time.monotonic() - self._heard > _LONG_SILENCE_SECONDS

    def heard(self) -> None:
        """Updates have come and are stored."""
        self._heard = time.monotonic()
        self.news.set()

    async def well(self, app: App) -> None:
        """Telegram has answered."""
        self.last_answer, self._trouble, self._has_called = time.monotonic(), "", False
        await self._become(app, RUNNING, None)

    async def ill(self, app: App, state: str, detail: str) -> None:
        """Note trouble; it is told once it has lasted."""
        now = time.monotonic()
        if self._trouble != state:
            self._trouble, self._trouble_since = state, now
        lasts = now - self._trouble_since
        if lasts >= _ALARM_SECONDS.get(state, 0.0):
            await self._become(app, state, detail)
        if lasts >= _LAST_CALL_SECONDS and not self._has_called:
            self._has_called = True
            logger.error(
                "Telegram has not been reached for 20 hours: after 24 it forgets what customers wrote",
                extra={"assistant_id": self.assistant_id},
            )

    def wake_later(self, seconds: float) -> None:
        """Let the inbox be looked at again after so many seconds."""
        asyncio.get_running_loop().call_later(seconds, self.news.set)

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return

    async def _become(self, app: App, state: str, detail: str | None) -> None:
        if state == self.state:
            return
        self.state = state
        about = {"assistant_id": self.assistant_id, "bot": self.username, "state": state}
        if state == RUNNING:
            logger.info("the bot runs", extra=about)
        else:
            logger.warning("the bot is in trouble", extra={**about, "detail": detail})
        await app.call(app.bots.note, self.holder, self.assistant_id, state, detail)
