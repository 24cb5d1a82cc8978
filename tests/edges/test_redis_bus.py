"""The bus over a real Redis: delivery between processes, and what happens when Redis goes away."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from replyx.errors import ConfigError
from replyx.events.catalogue import BUS_RESUMED, CONTROL
from replyx.events.redis_bus import RedisBus, channel_of
from replyx.types import Json
from tests.support.programs import wait_until
from tests.support.redis import RedisServer

MakeBus = Callable[[], RedisBus]

#: Seconds that a machine with ten times the work may add to what ends by itself after a second.
_LATE = 4.0


@pytest.fixture
def make_bus(redis_url: str) -> Iterator[MakeBus]:
    """Buses as different processes would have them."""
    made: list[RedisBus] = []

    def make() -> RedisBus:
        made.append(RedisBus(redis_url))
        return made[-1]

    yield make
    for bus in made:
        bus.close()


def test_what_one_process_publishes_reaches_a_listener_in_another(make_bus: MakeBus) -> None:
    heard: list[Json] = []
    sender, receiver = make_bus(), make_bus()
    receiver.subscribe("dialog:7", heard.append)
    sender.publish("dialog:7", {"text": "Привет", "index": 0})
    wait_until(lambda: heard, 2, "the message did not come")
    assert heard == [{"text": "Привет", "index": 0}]


def test_subscribing_returns_when_redis_knows_so_that_the_very_next_message_comes(make_bus: MakeBus) -> None:
    sender, receiver = make_bus(), make_bus()
    heard: list[Json] = []
    for number in range(200):
        receiver.subscribe(f"dialog:{number}", heard.append)
        sender.publish(f"dialog:{number}", {"number": number})
    wait_until(lambda: len(heard) == 200, 5, "messages were missed")
    assert [row["number"] for row in heard] == list(range(200))


def test_a_listener_of_the_publishing_process_is_called_once_and_at_once(make_bus: MakeBus) -> None:
    heard_here: list[Json] = []
    heard_there: list[Json] = []
    bus, other = make_bus(), make_bus()
    bus.subscribe("news", heard_here.append)
    other.subscribe("news", heard_there.append)
    bus.publish("news", {"n": 1})
    assert heard_here == [{"n": 1}]
    # What comes from the other side afterwards shows that the first one would have been back by now.
    wait_until(lambda: heard_there, 2, "the other process heard nothing")
    other.publish("news", {"n": 2})
    wait_until(lambda: len(heard_here) > 1, 2, "nothing came back")
    assert heard_here == [{"n": 1}, {"n": 2}]


def test_a_closed_subscription_hears_nothing_and_redis_forgets_the_channel(make_bus: MakeBus, redis_url: str) -> None:
    heard: list[Json] = []
    sender, receiver = make_bus(), make_bus()
    first, second = receiver.subscribe("news", heard.append), receiver.subscribe("news", heard.append)
    first.close()
    first.close()
    sender.publish("news", {"n": 1})
    wait_until(lambda: heard, 2, "the subscription that is left heard nothing")
    second.close()
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: channel_of("news").encode() not in client.pubsub_channels(), 2, "still subscribed")
    assert heard == [{"n": 1}]


def test_a_listener_that_fails_takes_nothing_from_the_others(make_bus: MakeBus) -> None:
    heard: list[Json] = []
    sender, receiver = make_bus(), make_bus()

    def fail(_payload: Json) -> None:
        raise RuntimeError("a listener broke")

    receiver.subscribe("news", fail)
    receiver.subscribe("news", heard.append)
    sender.publish("news", {"n": 1})
    sender.publish("news", {"n": 2})
    wait_until(lambda: len(heard) == 2, 2, "the second listener heard nothing")


def test_a_listener_may_subscribe_and_publish_itself(make_bus: MakeBus) -> None:
    answers: list[Json] = []
    sender, receiver = make_bus(), make_bus()

    def answer(_payload: Json) -> None:
        receiver.subscribe("more", answers.append)
        receiver.publish("answers", {"n": 2})

    receiver.subscribe("questions", answer)
    sender.subscribe("answers", answers.append)
    sender.publish("questions", {"n": 1})
    wait_until(lambda: answers, 2, "no answer came")


def test_foreign_messages_on_a_channel_are_ignored(make_bus: MakeBus, redis_url: str) -> None:
    heard: list[Json] = []
    sender, receiver = make_bus(), make_bus()
    receiver.subscribe("news", heard.append)
    with redis.Redis.from_url(redis_url) as client:
        client.publish(channel_of("news"), b"\x80\x04not json")
    sender.publish("news", {"n": 1})
    wait_until(lambda: heard, 2, "nothing came after the foreign message")
    assert heard == [{"n": 1}]


def test_delivery_resumes_by_itself_when_redis_was_killed_and_started_again(
    make_bus: MakeBus, redis_server: RedisServer
) -> None:
    heard: list[Json] = []
    control: list[Json] = []
    sender, receiver = make_bus(), make_bus()
    receiver.subscribe(CONTROL, control.append)
    receiver.subscribe("news", heard.append)
    sender.publish("news", {"n": 1})
    wait_until(lambda: heard, 2, "the first message did not come")
    assert _states(sender, receiver) == [True, True]

    redis_server.kill()
    try:
        wait_until(lambda: not receiver.is_connected, 2, "the receiver did not notice")
        sender.publish("news", {"n": 2})
        assert _states(sender, receiver) == [False, False]
        # Subscribing while Redis is away must work, and must not wait for it.
        began = time.monotonic()
        receiver.subscribe("late", heard.append)
        assert time.monotonic() - began < _LATE
        assert control == []
    finally:
        redis_server.start_again()

    wait_until(lambda: receiver.is_connected, 5, "the receiver did not come back")
    assert control == [{"kind": BUS_RESUMED}]
    wait_until(lambda: _published(sender, "late", {"n": 3}) and len(heard) > 1, 5, "delivery did not resume")
    assert {"n": 2} not in heard
    assert heard[1] == {"n": 3}
    assert _states(sender, receiver) == [True, True]


def _states(*buses: RedisBus) -> list[bool]:
    return [bus.is_connected for bus in buses]


def _published(bus: RedisBus, topic: str, payload: Json) -> bool:
    bus.publish(topic, payload)
    return True


def test_publishing_is_quick_and_local_listeners_hear_it_while_redis_is_away(
    make_bus: MakeBus, redis_server: RedisServer
) -> None:
    heard: list[Json] = []
    bus = make_bus()
    bus.subscribe("news", heard.append)
    redis_server.kill()
    try:
        began = time.monotonic()
        for number in range(1000):
            bus.publish("news", {"n": number})
        # Were a connection waited for, each would take a second.
        assert time.monotonic() - began < 60
        assert [row["n"] for row in heard] == list(range(1000))
    finally:
        redis_server.start_again()


def test_a_silent_redis_holds_no_publisher_for_longer_than_a_second(
    make_bus: MakeBus, redis_server: RedisServer
) -> None:
    bus = make_bus()
    bus.subscribe("news", lambda _payload: None)
    bus.publish("news", {"n": 0})
    slowest = 0.0
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        for number in range(100):
            began = time.monotonic()
            bus.publish("news", {"n": number})
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1 + _LATE
        assert not bus.is_connected
        began = time.monotonic()
        bus.subscribe("more", lambda _payload: None)
        assert time.monotonic() - began < 1 + _LATE
        wait_until(lambda: not bus._inlet.is_up, 6, "the silence was not noticed")
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    wait_until(lambda: bus.is_connected, 5, "the bus did not come back")


def test_flushing_redis_loses_nothing_of_the_bus(make_bus: MakeBus, redis_server: RedisServer) -> None:
    heard: list[Json] = []
    sender, receiver = make_bus(), make_bus()
    receiver.subscribe("news", heard.append)
    redis_server.flush()
    sender.publish("news", {"n": 1})
    wait_until(lambda: heard, 2, "the message did not come")


def test_many_threads_may_publish_and_subscribe_at_once(make_bus: MakeBus) -> None:
    sender, receiver = make_bus(), make_bus()
    heard: list[Json] = []
    missed: list[int] = []

    def converse(number: int) -> None:
        for turn in range(20):
            mine: list[Json] = []
            subscription = receiver.subscribe(f"dialog:{number}", mine.append)
            sender.publish(f"dialog:{number}", {"n": number, "turn": turn})
            wait_until(lambda mine=mine: mine, 5, "a message was missed")  # type: ignore[misc]
            heard.extend(mine)
            subscription.close()

    def run(number: int) -> None:
        try:
            converse(number)
        except BaseException:
            missed.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not missed
    assert len(heard) == 160


def test_an_address_that_is_not_one_of_redis_is_refused_with_what_to_write() -> None:
    with pytest.raises(ConfigError, match=r"redis\.url"):
        RedisBus("localhost:6379")
