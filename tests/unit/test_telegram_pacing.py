"""A bot speaks as fast as Telegram allows and no faster; a chat that has to wait holds up no other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from replyx.bots.telegram.pacing import BOT_A_SECOND, CHAT_SECONDS, GROUP_A_MINUTE, Pace

_EDGE = 1e-6


class Time:
    """Time that passes only when everybody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        self._sleepers.append((self.now + seconds, self._number, future))
        await future

    def run(self, work: list[Coroutine[Any, Any, None]]) -> None:
        asyncio.run(self._run(work))

    async def _run(self, work: list[Coroutine[Any, Any, None]]) -> None:
        tasks = [asyncio.ensure_future(one) for one in work]
        while not all(task.done() for task in tasks):
            for _ in range(5):
                await asyncio.sleep(0)
            if self._sleepers:
                self._sleepers.sort(key=lambda row: row[:2])
                at, _, future = self._sleepers.pop(0)
                self.now = max(self.now, at)
                future.set_result(None)
        for task in tasks:
            task.result()


def _paced(chats: list[int], holds: dict[int, float] | None = None) -> list[tuple[float, int, int]]:
    """When each message of these chats went out: time, chat, the message's number; all asked for at once."""
    time, out = Time(), []
    pace = Pace(now=lambda: time.now, sleep=time.sleep)
    for chat, seconds in (holds or {}).items():
        pace.hold(chat, seconds)

    async def send(number: int, chat: int) -> None:
        await pace.turn(chat)
        out.append((time.now, chat, number))

    time.run([send(number, chat) for number, chat in enumerate(chats)])
    return out


@settings(max_examples=40)
@given(st.lists(st.integers(1, 40), max_size=120))
def test_no_second_sees_more_than_telegram_allows_and_chats_keep_their_order(chats: list[int]) -> None:
    out = _paced(chats)
    assert len(out) == len(chats)
    times = sorted(at for at, _, _ in out)
    for first, later in zip(times, times[BOT_A_SECOND:], strict=False):
        assert later - first >= 1.0 - _EDGE
    for chat in set(chats):
        mine = [(at, number) for at, where, number in out if where == chat]
        assert [number for _, number in mine] == sorted(number for _, number in mine)
        assert all(later - earlier >= CHAT_SECONDS - _EDGE for (earlier, _), (later, _) in pairwise(mine))


def test_one_message_to_each_of_many_chats_goes_at_thirty_a_second() -> None:
    out = _paced(list(range(1, 301)))
    assert 8.9 <= max(at for at, _, _ in out) - 100.0 <= 10.1


def test_a_group_gets_twenty_messages_a_minute() -> None:
    out = _paced([-100] * 45)
    by_minute = Counter(int((at - 100.0) // 60) for at, _, _ in out)
    assert by_minute == {0: GROUP_A_MINUTE, 1: GROUP_A_MINUTE, 2: 5}


def test_a_chat_that_has_to_wait_holds_up_no_other() -> None:
    out = _paced([1, 2, 1, 2], holds={1: 30.0})
    assert [at - 100.0 for at, chat, _ in out if chat == 2] == [0.0, 1.0]
    waited = [at - 100.0 for at, chat, _ in out if chat == 1]
    assert waited[0] >= 30.0
    assert waited[1] >= 31.0


def test_what_may_be_left_out_takes_only_a_turn_that_is_free() -> None:
    time = Time()
    pace = Pace(now=lambda: time.now, sleep=time.sleep)
    assert pace.try_turn(1)
    assert not pace.try_turn(1)
    assert pace.try_turn(2)
    time.now += CHAT_SECONDS
    assert pace.try_turn(1)
    pace.hold(2, 10)
    assert not pace.try_turn(2)


def test_waiting_for_a_turn_takes_none() -> None:
    time, seen = Time(), []
    pace = Pace(now=lambda: time.now, sleep=time.sleep)

    async def wait(chat: int) -> None:
        await pace.until_free(chat)
        seen.append((chat, time.now - 100.0))

    assert pace.try_turn(1)
    pace.hold(2, 5)
    time.run([wait(1), wait(1), wait(2), wait(3)])
    assert sorted(seen) == [(1, 1.0), (1, 1.0), (2, 5.0), (3, 0.0)]
    assert pace.try_turn(1)


def test_chats_that_are_idle_are_forgotten() -> None:
    time = Time()
    pace = Pace(now=lambda: time.now, sleep=time.sleep)
    for chat in range(10_000):
        time.now += 1.0
        assert pace.try_turn(chat)
    assert len(pace._next) <= 4096
