"""The bot manager: says how many Telegram bots are configured, shows that it lives, and ends when it is told to."""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
import time

from replyx.app import App
from replyx.bots.channels import ChannelThreads
from replyx.errors import ReplyXError
from replyx.tasks.beats import BEAT_SECONDS, process_name

logger = logging.getLogger(__name__)

ROLE = "bots"

#: Seconds between two looks whether there is a first bot.
LOOK_SECONDS = 1.0


def configured_bots(app: App) -> int:
    """How many Telegram bots are to run."""
    return app.assistants.count_bots()


def run_bots(app: App, stop: threading.Event, *, channels: bool = True) -> None:
    """Run until `stop` is set, with the channels of plugins or without. A database that goes away is waited for.

    What runs bots is loaded when there is the first one: it takes seconds, and memory that others do not need.
    """
    if app.config.is_embedded and app.db.is_sqlite:
        # There is no other manager: what is held was held by one that is gone.
        app.bots.take_back()
    without, threads = _WithoutBots(app), ChannelThreads(app, stop) if channels else None
    while not stop.is_set() and not without.turn():
        stop.wait(LOOK_SECONDS)
    if not stop.is_set():
        loading = threading.Thread(target=_load, name="loading")
        loading.start()
        while loading.is_alive():
            # It lives while it loads.
            without.turn()
            loading.join(LOOK_SECONDS)
    if not stop.is_set():
        asyncio.run(_manage(app, stop))
    if threads is not None:
        threads.join()
    without.sign_off()


def _load() -> None:
    from replyx.bots.telegram.importing import import_aiogram

    import_aiogram()
    importlib.import_module("replyx.bots.manager")


async def _manage(app: App, stop: threading.Event) -> None:
    from replyx.bots.manager import Manager

    await Manager(app).run(stop)


class _WithoutBots:
    """Waits for the first bot: one turn after another, each with a sign of life."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._name = process_name(ROLE)
        self._bots: int | None = None
        self._beaten: float | None = None
        self._is_failing = False

    def turn(self) -> bool:
        """Look whether there are bots, and beat. A failure is logged once until it is over."""
        now = time.monotonic()
        try:
            self._say(configured_bots(self._app))
            if self._beaten is None or now - self._beaten >= BEAT_SECONDS:
                self._app.beats.beat(self._name, ROLE, {"bots": 0})
                self._beaten = now
            self._is_failing = False
        except ReplyXError:
            if not self._is_failing:
                logger.exception("the bot manager cannot work and tries again")
            self._is_failing = True
        return bool(self._bots) and not self._is_failing

    def sign_off(self) -> None:
        try:
            self._app.beats.forget(self._name)
        except ReplyXError:
            logger.warning("the bot manager could not sign off", extra={"bot_manager": self._name})
        else:
            logger.info("the bot manager has stopped", extra={"bot_manager": self._name})

    def _say(self, bots: int) -> None:
        if bots == self._bots:
            return
        self._bots = bots
        if bots:
            logger.info("Telegram bots are configured", extra={"bots": bots})
        else:
            logger.info("no Telegram bot is configured")
