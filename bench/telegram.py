"""What an answer takes in Telegram beside its engine: from the customer's words stored to `sendMessage` called."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import threading
import time
from pathlib import Path

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from bench.table import Row
from replyx.app import App, open_app
from replyx.config.loading import load_config
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import Channel, Contact, InboundMessage
from replyx.worker.running import run_worker
from tests.support.desk import MODEL, Desk, open_desk
from tests.support.senders import Sending

_FIRST_CHAT = 9000


def run(*, quick: bool) -> list[Row]:
    """The time that is added, at the median and at the 95th percentile, beside a bare `sendMessage`."""
    rounds = 40 if quick else 200
    with (
        tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder,
        FakeLLM(Scenario(text="Ответ."), models=[MODEL]) as llm,
        FakeTelegram() as telegram,
    ):
        settings = Path(folder) / "replyx.toml"
        settings.touch()
        app = open_app(load_config(settings, {"REPLYX_DATA_DIR": folder}))
        stop = threading.Event()
        worker = threading.Thread(target=run_worker, args=(app, stop))
        worker.start()
        bot = telegram.add_bot()
        try:
            desk = open_desk(app, llm, balance=100_000_000)
            sending = Sending(app, desk.assistant.id, telegram, bot)
            seconds = [_added(app, desk, telegram, bot, number) for number in range(rounds + 5)][5:]
            sending.end()
        finally:
            stop.set()
            worker.join(20)
            app.close()
        floor = asyncio.run(_bare(telegram, bot, rounds)) * 1000
    median = statistics.median(seconds) * 1000
    late = statistics.quantiles(seconds, n=20)[18] * 1000
    return [
        Row("Telegram: words stored to sendMessage, p50", median, "ms", floor, None, "≤ 50 ms", median <= 50),
        Row("Telegram: words stored to sendMessage, p95", late, "ms", floor),
    ]


def _added(app: App, desk: Desk, telegram: FakeTelegram, bot: FakeBot, number: int) -> float:
    """Seconds of one answer, each in a chat of its own: in one chat only one message a second may go out."""
    chat = _FIRST_CHAT + number
    bot.chat(chat)
    contact = Contact(telegram_chat_id=str(chat), locale="ru")
    dialog = app.sessions.start(desk.assistant, Channel.TELEGRAM, contact)
    start = time.monotonic()
    app.inbox.receive(InboundMessage(Channel.TELEGRAM, dialog, f"Сколько стоит доставка номер {number}?"))
    (call,) = telegram.wait(lambda: telegram.log(chat, "sendMessage"), 30)
    return float(call.at - start)


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
