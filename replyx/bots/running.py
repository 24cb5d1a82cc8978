"""The bot manager: says how many Telegram bots are configured, shows that it lives, and ends when it is told to."""

from __future__ import annotations

import logging
import threading

from replyx.app import App
from replyx.bots.channels import ChannelThreads
from replyx.errors import ReplyXError
from replyx.tasks.beats import BEAT_SECONDS, process_name

logger = logging.getLogger(__name__)

ROLE = "bots"


def configured_bots(app: App) -> int:
    """How many Telegram bots are to run."""
    return app.assistants.count_bots()


def run_bots(app: App, stop: threading.Event) -> None:
    """Run until `stop` is set. A database that goes away is waited for."""
    manager, channels = _Manager(app), ChannelThreads(app, stop)
    while not stop.is_set():
        manager.turn()
        stop.wait(BEAT_SECONDS)
    channels.join()
    manager.sign_off()


class _Manager:
    """One turn after another, each with a sign of life."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._name = process_name(ROLE)
        self._bots: int | None = None
        self._is_failing = False

    def turn(self) -> None:
        """Look how many bots there are, and beat. A failure is logged once until it is over."""
        try:
            self._say(configured_bots(self._app))
            self._app.beats.beat(self._name, ROLE, {"bots": self._bots})
            self._is_failing = False
        except ReplyXError:
            if not self._is_failing:
                logger.exception("the bot manager cannot work and tries again")
            self._is_failing = True

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
