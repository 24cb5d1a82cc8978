"""What bots go through: a second poller, an outage with thousands of messages, a hundred bots, bursts."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

from replyx.app import App
from replyx.config.loading import load_config
from replyx.storage.billing import LedgerTransfer
from replyx.storage.dialogs import Message
from replyx.testing.telegram_faults import Fault, conflict
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import SYSTEM, Sender
from tests.support.managers import live
from tests.telegram.incoming import Street, end, kill, open_street, until

_CHAT = 8000


@dataclass(frozen=True)
class Conflict:
    """Seconds until it was told, and from its end until the bot polled again; what went wrong with messages."""

    told: float
    resumed: float
    messages: int
    faults: list[str]


def second_poller(folder: Path, seconds: float, messages: int) -> Conflict:
    """Somebody else polls the same token for so long; then the first tries to poll again hang."""
    dice = random.Random(39)
    with open_street(folder, 1) as street:
        pid = street.start_manager()
        until(lambda: _state(street) == "running", 60, "the bot does not run")
        begin = time.monotonic()
        fault = street.telegram.add_fault(conflict(seconds))
        for _ in range(messages):
            street.write(dice, 40)
        told = until(lambda: _state(street) == "conflict", seconds + 90, "nobody was told")
        until(lambda: fault.is_over, seconds + 10, "the second poller stays")
        over = begin + seconds
        street.telegram.add_fault(Fault("cut", method="getUpdates", times=2))
        until(lambda: bool(street.bots[0].confirmed), 120, "it does not poll again")
        resumed = time.monotonic() - over
        street.wait_for_rest()
        kill(pid)
        return Conflict(told, resumed, messages, street.judge())


def _state(street: Street) -> str:
    return street.app.bots.statuses(SYSTEM)[0].state


@dataclass(frozen=True)
class Backlog:
    """Seconds until all was on record, and until every chat had its answer; what went wrong."""

    stored: float
    answered: float
    messages: int
    answers: int
    faults: list[str]


def backlog(folder: Path, messages: int, chats: int) -> Backlog:
    """Telegram was away; so much was written meanwhile, and is answered afterwards, by one process that does all."""
    with FakeTelegram() as telegram:
        settings = folder / "replyx.toml"
        settings.touch()
        environment = {"REPLYX_DATA_DIR": str(folder), "REPLYX_BOTS__API_BASE": telegram.base_url}
        with live(load_config(settings, environment), telegram, balance=100_000_000) as running:
            bot = telegram.add_bot()
            assistant = running.connect(bot)
            running.wait_for_state(bot, "running")
            telegram.stop()
            written = {_CHAT + n: [f"<{n}:{m}>" for m in range(messages // chats)] for n in range(chats)}
            for turn in range(messages // chats):
                for chat, texts in written.items():
                    bot.message(chat, texts[turn])
            telegram.start(telegram.port)
            begin = time.monotonic()

            def stored() -> int:
                with running.app.db.connection():
                    return Message.select().where(Message.sender == str(Sender.USER)).count()

            until(lambda: stored() >= messages, 900, "not all was stored")
            stored_in = time.monotonic() - begin
            until(lambda: is_quiet(running.app) and not bot.updates, 900, "not all was answered")
            answered_in = time.monotonic() - begin
            faults, answers = [], 0
            dialogs = {
                int(view.telegram_chat_id or 0): view.id
                for view in (running.app.dialogs.get(SYSTEM, number) for number in running.dialogs(assistant))
            }
            for chat, texts in written.items():
                rows = running.app.dialogs.messages(SYSTEM, dialogs[chat]) if chat in dialogs else []
                kept = [row.text for row in rows if row.sender == Sender.USER]
                if kept != texts:
                    faults.append(f"chat {chat}: {len(texts)} were written, {len(kept)} kept, or out of order")
                here = sum(row.reply_id is not None for row in rows)
                if not here:
                    faults.append(f"chat {chat} has no answer")
                answers += here
            return Backlog(stored_in, answered_in, messages, answers, faults)


def is_quiet(app: App) -> bool:
    """Whether nothing came that has no effect, no answer is owed, and nothing waits to be sent."""
    deliveries = app.deliveries.counts()
    waits = app.updates.counts()["waiting"] + deliveries["new"] + deliveries["sending"]
    return waits == 0 and app.census.waiting_replies()[0] == 0


@dataclass(frozen=True)
class Bursts:
    """Bursts and the answers that were sent to them; how many of those were paid."""

    bursts: int
    answers: int
    paid: int
    faults: list[str]


def bursts(folder: Path, chats: int, messages: int, rounds: int) -> Bursts:
    """Everybody writes several messages in one breath, and does so again once there is an answer."""
    with FakeTelegram() as telegram:
        settings = folder / "replyx.toml"
        settings.touch()
        environment = {"REPLYX_DATA_DIR": str(folder), "REPLYX_BOTS__API_BASE": telegram.base_url}
        with live(load_config(settings, environment), telegram) as running:
            bot = telegram.add_bot()
            assistant = running.connect(bot)
            running.wait_for_state(bot, "running")
            for turn in range(rounds):
                with telegram.lock:
                    # In one batch, as Telegram hands out what was written in one breath.
                    for chat in range(chats):
                        for number in range(messages):
                            bot.message(_CHAT + chat, f"Вопрос {turn}.{number}: сколько стоит доставка?")
                until(lambda: not bot.updates and is_quiet(running.app), 300, "not all was answered")
            faults, answers = [], 0
            for dialog in running.dialogs(assistant):
                senders = [row.sender for row in running.app.dialogs.messages(SYSTEM, dialog)]
                wanted = ([Sender.USER] * messages + [Sender.ASSISTANT]) * rounds
                answers += senders.count(Sender.ASSISTANT)
                if senders != wanted:
                    faults.append(f"dialog {dialog}: {''.join(sender[0] for sender in senders)}")
            shown = sum(call.had_effect for call in telegram.log(method="sendMessage"))
            if shown != answers:
                faults.append(f"{answers} answers, {shown} messages in chats")
            return Bursts(chats * rounds, answers, len(_captures(running.app)), faults)


def _captures(app: App) -> list[int]:
    with app.db.connection():
        return [row.id for row in LedgerTransfer.select().where(LedgerTransfer.kind == "capture")]


@dataclass(frozen=True)
class Hundred:
    """Seconds until all that can run do and the others are refused; KiB that each further idle bot takes."""

    started: float
    running: int
    refused: int
    kib_each: float
    faults: list[str]


def many_bots(folder: Path, bots: int, bad: int) -> Hundred:
    """So many bots in one process that was just started, some with tokens of no bot; against a process with one."""
    with open_street(folder / "many", bots, bad) as street:
        start = time.monotonic()
        process = street.start_alone()
        wanted = {"running": bots - bad, "refused": bad}
        until(lambda: street.app.bot_states.counts() == wanted, 120, f"not {wanted}")
        seconds = time.monotonic() - start
        many = _resident(process.pid)
        dice = random.Random(45)
        for _ in range(500):
            street.write(dice, 3)
        street.wait_for_rest()
        faults = street.judge()
        end(process)
    with open_street(folder / "one", 1) as street:
        process = street.start_alone()
        until(lambda: street.app.bot_states.counts() == {"running": 1}, 120, "it does not run")
        one = _resident(process.pid)
        end(process)
    return Hundred(seconds, bots - bad, bad, (many - one) / (bots - bad - 1), faults)


def _resident(pid: int) -> float:
    """KiB of memory of its own that a process has, once it has come to rest."""
    time.sleep(5.0)
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return float(next(row.split()[1] for row in rows if row.startswith("Rss:")))
