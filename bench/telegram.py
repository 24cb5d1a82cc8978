"""What an answer takes in Telegram beside its engine, from the update to `sendMessage`; how fast a backlog is taken."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from bench.table import Row
from replyx.config.loading import load_config
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_server import FakeTelegram
from tests.support.managers import Live, live

_FIRST_CHAT = 9000

#: Messages of the backlog, and chats that they are in.
_BACKLOG, _CHATS = 1000, 100


def run(*, quick: bool) -> list[Row]:
    """The time that is added, at the median and at the 95th percentile, beside a bare `sendMessage`."""
    rounds = 40 if quick else 200
    with tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder, FakeTelegram() as telegram:
        settings = Path(folder) / "replyx.toml"
        settings.touch()
        environment = {"REPLYX_DATA_DIR": folder, "REPLYX_BOTS__API_BASE": telegram.base_url}
        with live(load_config(settings, environment), telegram, balance=100_000_000) as running:
            bot = telegram.add_bot()
            running.connect(bot)
            running.wait_for_state(bot, "running")
            seconds = [_added(telegram, bot, number) for number in range(rounds + 5)][5:]
        floor = asyncio.run(_bare(telegram, bot, rounds)) * 1000
    median = statistics.median(seconds) * 1000
    late = statistics.quantiles(seconds, n=20)[18] * 1000
    rate = _rate()
    return [
        Row("Telegram: update to sendMessage, p50", median, "ms", floor, None, "≤ 50 ms", median <= 50),
        Row("Telegram: update to sendMessage, p95", late, "ms", floor),
        Row("Telegram: updates of a backlog that become messages", rate, "/s", None, None, "≥ 30 /s", rate >= 30),
    ]


def _added(telegram: FakeTelegram, bot: FakeBot, number: int) -> float:
    """Seconds of one answer, each in a chat of its own: in one chat only one message a second may go out."""
    chat = _FIRST_CHAT + number
    bot.chat(chat)
    start = time.monotonic()
    bot.message(chat, f"Сколько стоит доставка номер {number}?")
    (call,) = telegram.wait(lambda: telegram.log(chat, "sendMessage"), 30)
    return float(call.at - start)


def _rate() -> float:
    """Updates a second that become messages, while nobody answers them."""
    with tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder, FakeTelegram() as telegram:
        settings = Path(folder) / "replyx.toml"
        settings.touch()
        environment = {"REPLYX_DATA_DIR": folder, "REPLYX_BOTS__API_BASE": telegram.base_url}
        with live(load_config(settings, environment), telegram, answers=False) as running:
            bot = telegram.add_bot()
            running.connect(bot)
            running.wait_for_state(bot, "running")
            with telegram.lock:
                for number in range(_BACKLOG):
                    bot.message(_FIRST_CHAT + number % _CHATS, f"Вопрос {number}")
                start = time.monotonic()
            telegram.wait(lambda: not bot.updates, 300)
            while _waiting(running):
                time.sleep(0.01)
            return _BACKLOG / (time.monotonic() - start)


def _waiting(running: Live) -> int:
    return int(running.app.updates.counts()["waiting"])


async def _bare(telegram: FakeTelegram, bot: FakeBot, rounds: int) -> float:
    """Seconds of a `sendMessage` that somebody makes who does nothing else, at the median."""
    session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.base_url))
    api = Bot(bot.token, session=session)
    seconds = []
    for number in range(rounds):
        start = time.monotonic()
        await api.send_message(_FIRST_CHAT + number, "Ответ.")
        seconds.append(time.monotonic() - start)
    await session.close()
    return statistics.median(seconds)
