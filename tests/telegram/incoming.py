"""Customers of many bots write while bot managers die; a judge compares what they wrote with the record."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from replyx.app import App, open_app
from replyx.config.loading import load_config
from replyx.errors import DatabaseUnavailable
from replyx.storage.dialogs import Dialog, Message
from replyx.storage.telegram import TelegramUpdate
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import Actor, Role, Sender

_FIRST_CHAT = 8000

#: Seconds that everything may take to come to rest at the end.
_REST_SECONDS = 300.0


@dataclass
class Street:
    """An installation with many bots, and customers who write to them. Managers are processes."""

    app: App
    telegram: FakeTelegram
    bots: list[FakeBot]
    #: Ids of their assistants, in the same order.
    assistants: list[int]
    folder: Path
    nursery: subprocess.Popen[str]
    #: Bot and chat → what was written there, in order.
    written: dict[tuple[int, int], list[str]] = field(default_factory=lambda: defaultdict(list))

    def write(self, dice: random.Random, chats: int) -> None:
        """Somebody writes one message. Numbers of updates have gaps, and some messages come in two updates."""
        bot, chat = dice.choice([bot for bot in self.bots if not bot.is_revoked]), _FIRST_CHAT + dice.randrange(chats)
        texts = self.written[(bot.id, chat)]
        texts.append(f"<{bot.id}:{chat}:{len(texts)}>")
        if dice.random() < 0.1:
            bot.next_update_id += dice.randint(1, 40)
        update = bot.message(chat, texts[-1])
        if dice.random() < 0.05:
            bot.push(message=update["message"])

    def start_manager(self) -> int:
        """A bot manager; its process id."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write("start\n")
        self.nursery.stdin.flush()
        return int(self.nursery.stdout.readline())

    def start_alone(self) -> subprocess.Popen[str]:
        """A bot manager that begins with nothing imported, as `replyx bots` does."""
        return subprocess.Popen([*self.nursery.args, "alone"], stdin=subprocess.PIPE, text=True)  # type: ignore[misc]

    def last_poll(self) -> int:
        """The number of the last long poll that was answered; 0 where none was."""
        with self.telegram.lock:
            return next((c.number for c in reversed(self.telegram.calls) if c.method.lower() == "getupdates"), 0)

    def is_at_rest(self) -> bool:
        """Whether every update was confirmed, and has had its effect."""
        if any(bot.updates for bot in self.bots):
            return False
        with self.app.db.connection():
            return not TelegramUpdate.select().where(TelegramUpdate.state == "new").exists()

    def wait_for_rest(self) -> None:
        until(self.is_at_rest, _REST_SECONDS, "updates still wait")

    def tokens_in_logs(self) -> int:
        """How often a bot's secret stands in what managers logged at the lowest level."""
        log = (self.folder / "managers.log").read_text("utf-8", errors="replace")
        return sum(log.count(bot.token.partition(":")[2]) for bot in self.bots)

    def judge(self) -> list[str]:
        """What is wrong between what was written and what is on record."""
        found: dict[tuple[int, int], list[str]] = defaultdict(list)
        by_assistant = dict(zip(self.assistants, (bot.id for bot in self.bots), strict=True))
        with self.app.db.connection():
            rows = Message.select(Message, Dialog).join(Dialog).where(Message.sender == str(Sender.USER))
            for row in rows.order_by(Message.dialog, Message.seq):
                place = by_assistant[row.dialog.assistant_id], int(row.dialog.telegram_chat_id or 0)
                found[place].append(row.text)
        faults = []
        for place in self.written.keys() | found.keys():
            said, kept = self.written.get(place, []), found.get(place, [])
            if said != kept:
                lost, more = Counter(said) - Counter(kept), Counter(kept) - Counter(said)
                faults.append(f"{place}: lost {sorted(lost)}, doubled {sorted(more)}, or out of order")
        return faults


@contextmanager
def open_street(folder: Path, bots: int, bad: int = 0) -> Iterator[Street]:
    """A `Street` on SQLite, gone when the block ends; the tokens of the last `bad` bots are refused."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "replyx.toml"
    settings.touch()
    app = open_app(load_config(settings, {"REPLYX_DATA_DIR": str(folder)}))
    with FakeTelegram() as telegram:
        made = [telegram.add_bot() for _ in range(bots)]
        user = app.registration.register("owner@example.com", "correct-horse-7", opening_balance=100_000)
        owner, assistants = Actor(Role.OWNER, user_id=user.id), []
        for number, bot in enumerate(made):
            bot.is_revoked = number >= bots - bad
            one = app.assistants.create(owner, name=bot.username, telegram_bot_token=bot.token)
            assistants.append(one.id)
        command = [sys.executable, "-m", "tests.telegram.manager_nursery", str(folder), telegram.base_url]
        nursery = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        street = Street(app, telegram, made, assistants, folder, nursery)
        try:
            yield street
        finally:
            nursery.kill()
            nursery.communicate()
            app.close()


def write_while_managers_die(street: Street, messages: int, kills: int, seed: int) -> int:
    """Let so many messages be written while managers are killed so often, at any moment; how many kills there were.

    Each manager lives until it has polled, and some moments more.
    """
    dice = random.Random(seed)
    for life in range(kills):
        before, pid = street.last_poll(), street.start_manager()
        share = range(life * messages // kills, (life + 1) * messages // kills)
        until(partial(_polls_after, street, before), 60, "no manager polls")
        die_at = time.monotonic() + dice.uniform(0.0, 0.6)
        for _ in share:
            street.write(dice, 8)
            time.sleep(max(0.0, min(0.02, die_at - time.monotonic())))
        time.sleep(max(0.0, die_at - time.monotonic()))
        kill(pid)
    pid = street.start_manager()
    street.wait_for_rest()
    kill(pid)
    return kills


def _polls_after(street: Street, number: int) -> bool:
    return street.last_poll() > number


def kill(pid: int) -> None:
    """SIGKILL, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists(), 30, "it outlived SIGKILL")


def end(process: subprocess.Popen[str]) -> None:
    """The same of a process that was started alone."""
    process.kill()
    process.communicate()


def until(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for `condition()`; the seconds that it took. A busy database is asked again. TimeoutError with `what`."""

    def is_true() -> object:
        try:
            return condition()
        except DatabaseUnavailable:
            return False

    start = time.monotonic()
    while not is_true():
        if time.monotonic() - start > seconds:
            raise TimeoutError(what)
        time.sleep(0.01)
    return time.monotonic() - start
