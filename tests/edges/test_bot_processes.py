"""`replyx bots` in several processes: they share the bots, one that dies is started again, all end with the first."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from replyx.testing.telegram_server import FakeTelegram
from tests.support.cli import Cli
from tests.support.http import Json
from tests.support.processes import Box, open_box
from tests.support.programs import wait_until


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, redis_url: str, telegram: FakeTelegram) -> Iterator[tuple[Box, Cli]]:
    """A place with three bots, two of them good; the commands that look at it."""
    settings = {"REPLYX_REDIS__URL": redis_url, "REPLYX_BOTS__API_BASE": telegram.base_url}
    with open_box(tmp_path, **settings, REPLYX_BOTS__PROCESSES="2") as box:
        cli = Cli(tmp_path, **settings)
        cli.json("users", "create", "boss@example.com", "--admin", "--password-stdin", stdin="a long password 1\n")
        for number in range(3):
            bot = telegram.add_bot()
            bot.is_revoked = number == 2
            cli.json("assistants", "create", f"Help {number}", "--telegram-token-stdin", stdin=f"{bot.token}\n")
        yield box, cli


def _pids(states: list[Json]) -> set[int]:
    return {int(row["process"].rpartition(":")[2]) for row in states if row["process"]}


def _all_run(cli: Cli, but: int = 0) -> Callable[[], set[int]]:
    """The ids of the two processes that run the good bots, once there are two, none of them `but`."""

    def look() -> set[int]:
        states = cli.json("bots", "status")
        pids = _pids([row for row in states if row["state"] == "running"])
        return pids if len(pids) == 2 and but not in pids else set()

    return look


def test_two_processes_share_the_bots_and_what_dies_comes_back(desk: tuple[Box, Cli], telegram: FakeTelegram) -> None:
    box, cli = desk
    assert [row["state"] for row in cli.json("bots", "status")] == ["waiting"] * 3
    program = box.start("bots")
    program.wait_for_line(r"^ready bots \(3 configured\)", 120)
    wait_until(_all_run(cli), 200, "the two bots are not run by two processes")
    (other,) = _all_run(cli)() - {program.pid}
    wait_until(lambda: cli.json("bots", "status")[2]["state"] == "refused", 120, "the bad token was not refused")

    os.kill(other, signal.SIGKILL)

    wait_until(_all_run(cli, but=other), 200, "no other process took its place")
    for bot in list(telegram.bots.values())[:2]:
        bot.message(42, "hello")
    telegram.wait(lambda: all(bot.confirmed for bot in list(telegram.bots.values())[:2]), 120)
    rows = cli.json("bots", "status")
    assert [row["code"] for row in rows] == [None, None, "BOT_STARTUP_FAILED"]
    assert all(row["last_update_seconds"] is not None for row in rows[:2])
    table = cli.run("bots", "status")
    assert "fake_1000000001_bot" in table.out
    assert "Telegram refuses the token" in table.err
    status = cli.json("status")
    assert status["bot_states"] == {"running": 2, "refused": 1}
    assert "3 (1 refused, 2 running)" in cli.run("status").out
    children = _all_run(cli)() - {program.pid}
    assert program.terminate(60).code == 0
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 60, "a process was left")


def test_no_process_outlives_the_first(desk: tuple[Box, Cli]) -> None:
    box, cli = desk
    program = box.start("bots")
    wait_until(_all_run(cli), 200, "the two bots are not run by two processes")
    (other,) = _all_run(cli)() - {program.pid}

    os.kill(program.pid, signal.SIGKILL)

    wait_until(lambda: not Path(f"/proc/{other}").exists(), 60, "a process was left")
