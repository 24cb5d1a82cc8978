"""Messages to many chats while the Bot API misbehaves, and a judge that reads its log and the record."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from replyx.app import App, open_app
from replyx.config.loading import load_config
from replyx.storage.deliveries import Delivery
from replyx.storage.dialogs import Dialog, Message
from replyx.testing.telegram_bots import Call, FakeBot
from replyx.testing.telegram_faults import Fault, too_many
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import Actor, Channel, Contact, Role
from tests.support.senders import Sending

#: Faults after which nobody but the server knows what happened, and how often each is met.
DOUBTFUL = ("effect_then_cut", "effect_then_error", "cut", "error")

_FIRST_CHAT = 7000


@dataclass
class Findings:
    """What a run showed. `lost`, `twice`, `disordered`, `hasty` and `unmarked` must be empty."""

    messages: int = 0
    seconds: float = 0.0
    doubtful_faults: int = 0
    deaths: int = 0
    in_doubt: int = 0
    states: dict[str, int] = field(default_factory=dict)
    #: Said to be sent, and not in the chat.
    lost: list[str] = field(default_factory=list)
    #: In the chat more often than the policy allows.
    twice: list[str] = field(default_factory=list)
    #: In the chat twice, and the record does not say that it was in doubt.
    unmarked: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    #: Two messages of one chat within less than a second.
    hasty: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What must not be, in words."""
        found = [f"{n}: {getattr(self, n)}" for n in ("lost", "twice", "unmarked", "disordered", "hasty")]
        found = [line for line in found if not line.endswith("[]")]
        if self.in_doubt > self.doubtful_faults + self.deaths:
            found.append(f"{self.in_doubt} in doubt after {self.doubtful_faults} faults and {self.deaths} deaths")
        return found


@dataclass
class Town:
    """An installation with one bot and customers who have written to it."""

    app: App
    telegram: FakeTelegram
    bot: FakeBot
    owner: Actor
    assistant_id: int
    dialogs: list[int]
    folder: Path

    def say_everywhere(self, rounds: int) -> int:
        """An operator writes so many messages to each customer; how many in all."""
        for number in range(rounds):
            for dialog in self.dialogs:
                self.app.dialogs.say_as_operator(self.owner, dialog, f"<{dialog}:{number}>")
        return rounds * len(self.dialogs)

    def is_quiet(self) -> bool:
        """Whether nothing waits to be sent."""
        counts = self.app.deliveries.counts()
        return counts["new"] + counts["sending"] == 0


@contextmanager
def open_town(folder: Path, customers: int, **environment: str) -> Iterator[Town]:
    """A `Town` on SQLite, gone when the block ends."""
    settings = folder / "replyx.toml"
    settings.touch()
    app = open_app(load_config(settings, {"REPLYX_DATA_DIR": str(folder), **environment}))
    with FakeTelegram() as telegram:
        try:
            user = app.registration.register("owner@example.com", "correct-horse-7", opening_balance=100_000)
            owner = Actor(Role.OWNER, user_id=user.id)
            assistant = app.assistants.create(owner, name="Помощник")
            bot, dialogs = telegram.add_bot(), []
            for number in range(customers):
                bot.chat(_FIRST_CHAT + number)
                contact = Contact(telegram_chat_id=str(_FIRST_CHAT + number), locale="ru")
                dialogs.append(app.sessions.start(assistant, Channel.TELEGRAM, contact))
            yield Town(app, telegram, bot, owner, assistant.id, dialogs, folder)
        finally:
            app.close()


def misbehave(town: Town, share: float, seed: int) -> list[Fault]:
    """Let this share of all messages meet a doubtful fault, some of them 429 or a refusal of markup."""
    faults = [
        Fault(action=action, method="sendMessage", times=None, chance=share / len(DOUBTFUL), seed=seed + n)  # type: ignore[arg-type]
        for n, action in enumerate(DOUBTFUL)
    ]
    for fault in faults:
        town.telegram.add_fault(fault)
    town.telegram.add_fault(too_many(1, method="sendMessage", times=None, chance=0.02, seed=seed + 8))
    words = "Bad Request: can't parse entities"
    refusal = Fault(method="sendMessage", status=400, description=words, times=None, chance=0.02, seed=seed + 9)
    town.telegram.add_fault(refusal)
    return faults


def send_all(town: Town, seconds: float) -> float:
    """Run a sender in this process until nothing waits; the seconds that it took."""
    start = time.monotonic()
    sending = Sending(town.app, town.assistant_id, town.telegram, town.bot)
    try:
        _until(town, start + seconds)
    finally:
        sending.end()
    return time.monotonic() - start


def send_all_dying(town: Town, seconds: float, seed: int) -> int:
    """The same by processes that are killed again and again; how many died."""
    dice, deadline, deaths = random.Random(seed), time.monotonic() + seconds, 0
    while not town.is_quiet():
        command = [sys.executable, "-m", "tests.telegram.sender_process"]
        arguments = [str(town.folder), str(town.assistant_id), town.telegram.base_url, town.bot.token]
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE)
        ending = threading.Timer(120, process.kill)
        ending.start()
        try:
            assert process.stdout is not None
            process.stdout.readline()
            die_at = time.monotonic() + dice.uniform(0.05, 2.0)
            while not town.is_quiet() and time.monotonic() < die_at:
                time.sleep(0.02)
        finally:
            process.kill()
            process.communicate()
            ending.cancel()
        deaths += 1
        if time.monotonic() > deadline:
            raise TimeoutError("messages still wait")
    return deaths


def judge(town: Town, *, may_repeat: bool) -> Findings:
    """What the Bot API's log and the record say together."""
    found = Findings()
    calls: dict[int, list[Call]] = defaultdict(list)
    for call in town.telegram.log(method="sendMessage"):
        calls[call.chat_id or 0].append(call)
    with town.app.db.connection():
        rows = (
            Delivery.select(Delivery, Message, Dialog)
            .join(Message)
            .switch(Delivery)
            .join(Dialog)
            .order_by(Delivery.message)
        )
        for row in rows:
            _judge_one(found, row, calls[int(row.dialog.telegram_chat_id or 0)], may_repeat=may_repeat)
    for chat, made in calls.items():
        _judge_chat(found, chat, made)
    return found


def _judge_one(found: Findings, row: Delivery, calls: list[Call], *, may_repeat: bool) -> None:
    text = row.message.text
    seen = sum(1 for call in calls if call.had_effect and _mark(call) == text)
    found.messages += 1
    found.states[row.state] = found.states.get(row.state, 0) + 1
    found.in_doubt += row.doubts
    if row.state == "sent" and seen == 0:
        found.lost.append(text)
    if seen > (2 if may_repeat else 1):
        found.twice.append(text)
    if seen > 1 and not row.doubts:
        found.unmarked.append(text)


def _judge_chat(found: Findings, chat: int, calls: list[Call]) -> None:
    firsts: list[int] = []
    for call in calls:
        number = int(_mark(call).strip("<>").split(":")[1])
        if call.had_effect and number not in firsts:
            firsts.append(number)
    if firsts != sorted(firsts):
        found.disordered.append(f"{chat}: {firsts}")
    # The second try without markup is no haste, nor is what the way to the server takes off.
    made = [call for call in calls if call.status != 400]
    for earlier, later in pairwise(made):
        if later.at - earlier.at < 0.8:
            found.hasty.append(f"{chat}: {later.at - earlier.at:.2f} s")


def _mark(call: Call) -> str:
    """The message's own words, behind the operator's name and the word that it may have come before."""
    text = str(call.parameters.get("text", "")).replace("&lt;", "<").replace("&gt;", ">")
    return text[text.rindex("<", 0, text.rindex(":")) :] if ":" in text else text


def _until(town: Town, deadline: float) -> None:
    while not town.is_quiet():
        if time.monotonic() > deadline:
            raise TimeoutError("messages still wait")
        time.sleep(0.05)
