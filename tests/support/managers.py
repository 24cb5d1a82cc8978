"""A whole ReplyX with Telegram at its edge, in this process: worker, bot manager, the fake Bot API, a fake model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from replyx.app import App, open_app
from replyx.assistants.views import AssistantView
from replyx.bots.running import run_bots
from replyx.config.settings import Config
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import SYSTEM, Sender
from replyx.worker.running import run_worker
from tests.support.desk import MODEL, Desk, open_desk
from tests.support.programs import wait_until


@dataclass
class Live:
    """What runs, and shortcuts to what tests look at."""

    desk: Desk
    telegram: FakeTelegram
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def app(self) -> App:
        return self.desk.app

    def connect(self, bot: FakeBot, **fields: Any) -> AssistantView:
        """An assistant of the desk's owner with this bot."""
        return self.app.assistants.create(
            self.desk.owner, name=bot.username, ai_model=MODEL, telegram_bot_token=bot.token, **fields
        )

    def start(self, run: Callable[[App, threading.Event], object]) -> None:
        thread = threading.Thread(target=run, args=(self.app, self._stop), name=run.__name__)
        self._threads.append(thread)
        thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def states(self) -> dict[str, str]:
        """How each bot is, by its assistant's name."""
        return {bot.assistant_name: bot.state for bot in self.app.bots.statuses(SYSTEM)}

    def wait_for_state(self, bot: FakeBot, state: str, seconds: float = 120.0) -> None:
        wait_until(lambda: self.states()[bot.username] == state, seconds, f"the bot is not {state}")

    def said(self, assistant: AssistantView, sender: Sender | None = Sender.USER) -> list[str]:
        """What was said in the dialogs of an assistant, dialog by dialog, in order."""
        return [
            row.text
            for dialog_id in self.dialogs(assistant)
            for row in self.app.dialogs.messages(self.desk.owner, dialog_id)
            if sender is None or row.sender == sender
        ]

    def dialogs(self, assistant: AssistantView) -> list[int]:
        """Ids of an assistant's dialogs, oldest first."""
        from replyx.dialogs.dialogs import DialogFilter

        rows, _ = self.app.dialogs.list_for(self.desk.owner, DialogFilter(assistant_id=assistant.id, limit=200))
        return sorted(row.id for row in rows)


@contextmanager
def live(config: Config, telegram: FakeTelegram, *, answers: bool = True, balance: int = 100_000) -> Iterator[Live]:
    """A desk with `balance` kopecks whose manager runs, and whose worker does where answers are wanted."""
    with FakeLLM(Scenario(text="Доставка бесплатна."), models=[MODEL]) as llm:
        app = open_app(config)
        try:
            running = Live(open_desk(app, llm, balance=balance), telegram)
            try:
                if answers:
                    running.start(run_worker)
                running.start(run_bots)
                yield running
            finally:
                running.end()
        finally:
            app.close()
