"""A bot's sender that runs in this process against the fake Bot API."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Update

from replyx.app import App
from replyx.bots.telegram.buttons import on_callback
from replyx.bots.telegram.operators import on_message
from replyx.bots.telegram.sender import Wakes, run_sender
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import Json


@dataclass(frozen=True)
class Running:
    """A bot as its manager hands it out."""

    assistant_id: int
    api: Bot


class Sending:
    """`run_sender` of one bot in an event loop of its own, until `end`."""

    def __init__(self, app: App, assistant_id: int, telegram: FakeTelegram, bot: FakeBot) -> None:
        self._app, self._assistant_id, self._token = app, assistant_id, bot.token
        self._url = telegram.base_url
        self.failure: BaseException | None = None
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._bot: Running | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="sending")
        self._thread.start()
        assert self._ready.wait(20)

    def end(self) -> None:
        """Stop it and wait for it; what it failed with is in `failure`."""
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def handle(self, update: Json) -> bool:
        """Hand an update to the handlers of this half, as the manager does; whether it was an operator's."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._handle(update), self._loop).result(20)

    async def _handle(self, row: Json) -> bool:
        assert self._bot is not None
        update = Update.model_validate(row, context={"bot": self._bot.api})
        if update.callback_query is not None:
            await on_callback(self._app, self._bot, update.update_id, update.callback_query)
            return False
        assert update.message is not None
        return await on_message(self._app, self._bot, update.update_id, update.message)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        session = AiohttpSession(api=TelegramAPIServer.from_base(self._url))
        bot = self._bot = Running(self._assistant_id, Bot(self._token, session=session))
        wakes = Wakes(self._app)
        waking = asyncio.ensure_future(wakes.run(self._stop))
        self._ready.set()
        try:
            await run_sender(self._app, bot, self._stop, wakes)
        except BaseException as error:
            self.failure = error
        self._stop.set()
        await waking
        await session.close()


def run_bare(app: App, assistant_id: int, url: str, token: str) -> None:
    """Start the sender of one bot in a thread that nobody ends."""

    async def run() -> None:
        session = AiohttpSession(api=TelegramAPIServer.from_base(url))
        stop, wakes = asyncio.Event(), Wakes(app)
        waking = asyncio.ensure_future(wakes.run(stop))
        await run_sender(app, Running(assistant_id, Bot(token, session=session)), stop, wakes)
        await waking

    threading.Thread(target=lambda: asyncio.run(run()), name="sending", daemon=True).start()
