"""The queue on both brokers: a task sent is a task begun, at once, whatever happens to Redis meanwhile."""

from __future__ import annotations

import os
import pickle
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis

from replyx.config.settings import Config
from replyx.errors import ConfigError
from replyx.events.bus import Bus
from replyx.events.memory import MemoryBus
from replyx.events.redis_bus import RedisBus
from replyx.tasks.broker import DramatiqQueue, make_broker
from replyx.tasks.names import ANSWER_GENERATE, ANSWERS, DOCUMENT_INGEST, KNOWLEDGE, SITE_SYNC
from replyx.worker.actors.declaring import declare_actor
from replyx.worker.threads import LOOK_MS, TaskThreads
from tests.conftest import Configure
from tests.support.programs import wait_until
from tests.support.redis import RedisServer

#: Seconds that a machine with ten times the work may add to what ends by itself after a second.
_LATE = 4.0


class Process:
    """What one process has of the queue: a broker, a bus, and threads where it is a worker."""

    def __init__(self, config: Config, bus: Bus) -> None:
        self.broker: dramatiq.Broker = make_broker(config)
        self.queue = DramatiqQueue(self.broker)
        self.bus = bus
        self.done: list[int] = []
        self._end = ExitStack()
        self._end.callback(self.broker.close)
        self._end.callback(bus.close)

    def work(self, work: Callable[[int], object] | None = None, threads: int = 2) -> None:
        """Become a worker of both queues."""
        declare_actor(self.broker, ANSWER_GENERATE, work or self.done.append)
        declare_actor(self.broker, DOCUMENT_INGEST, work or self.done.append)
        for queue in (ANSWERS, KNOWLEDGE):
            running = TaskThreads(self.broker, self.bus, queue, threads)
            self._end.callback(running.stop, 5)

    def close(self) -> None:
        self._end.close()


MakeProcess = Callable[[], Process]


@pytest.fixture
def shared(configure: Configure, redis_url: str) -> Iterator[MakeProcess]:
    """Processes that share one Redis."""
    with ExitStack() as end:

        def make() -> Process:
            process = Process(configure(REPLYX_REDIS__URL=redis_url), RedisBus(redis_url))
            end.callback(process.close)
            return process

        yield make


@pytest.fixture(params=["memory", "redis"])
def pair(request: pytest.FixtureRequest, config: Config) -> Iterator[tuple[Process, Process]]:
    """A sender and a worker: one process in memory, two of them on Redis."""
    if request.param == "memory":
        process = Process(config, MemoryBus())
        yield process, process
        process.close()
    else:
        make: MakeProcess = request.getfixturevalue("shared")
        yield make(), make()


def test_a_task_that_is_sent_reaches_its_actor(pair: tuple[Process, Process]) -> None:
    sender, worker = pair
    worker.work()
    sender.queue.send(ANSWER_GENERATE, 7)
    sender.queue.send(DOCUMENT_INGEST, 8)
    wait_until(lambda: sorted(worker.done) == [7, 8], 2, "the tasks were not done")


def test_tasks_sent_before_a_worker_runs_are_done_when_it_does(pair: tuple[Process, Process]) -> None:
    sender, worker = pair
    for number in range(50):
        sender.queue.send(ANSWER_GENERATE, number)
    worker.work()
    wait_until(lambda: sorted(worker.done) == list(range(50)), 3, "tasks were lost")


def test_an_idle_worker_is_woken_long_before_it_would_look(pair: tuple[Process, Process]) -> None:
    sender, worker = pair
    begun: list[float] = []
    worker.work(lambda _number: begun.append(time.perf_counter()))
    delays = []
    for number in range(40):
        # Let it fall idle: the pause is part of what is measured.
        time.sleep(0.02)
        sent = time.perf_counter()
        sender.queue.send(ANSWER_GENERATE, number)
        wait_until(lambda wanted=number + 1: len(begun) == wanted, 2, "the task was not begun")  # type: ignore[misc]
        delays.append(begun[-1] - sent)
    # Who only looks finds a task after half of the time between two looks, at the median.
    assert statistics.median(delays) < LOOK_MS / 1000 / 2


def test_a_task_that_fails_is_logged_once_with_its_name_and_stops_nothing(
    pair: tuple[Process, Process], caplog: pytest.LogCaptureFixture
) -> None:
    sender, worker = pair
    done: list[int] = []

    def work(number: int) -> None:
        if number == 1:
            raise RuntimeError("broken")
        done.append(number)

    worker.work(work, threads=1)
    for number in (1, 2, 3):
        sender.queue.send(ANSWER_GENERATE, number)
    wait_until(lambda: done == [2, 3], 2, "the tasks after the broken one were not done")
    failures = [record for record in caplog.records if record.exc_info]
    assert [(r.getMessage(), vars(r)["task"]) for r in failures] == [("a task failed", ANSWER_GENERATE)]


def test_a_task_of_a_wrong_form_is_logged_and_stops_nothing(
    pair: tuple[Process, Process], caplog: pytest.LogCaptureFixture
) -> None:
    sender, worker = pair
    worker.work()
    sender.queue.send(ANSWER_GENERATE, "7; DROP TABLE")
    sender.queue.send(ANSWER_GENERATE, 1, 2)
    sender.queue.send(ANSWER_GENERATE, 3)
    wait_until(lambda: worker.done == [3], 2, "the good task was not done")
    # The other thread may still be at one of the bad ones.
    wait_until(lambda: len([r for r in caplog.records if r.exc_info]) == 2, 2, "not both were told")
    assert [r.getMessage() for r in caplog.records if r.exc_info] == ["a task failed"] * 2


@pytest.mark.parametrize("task", [ANSWER_GENERATE, DOCUMENT_INGEST, SITE_SYNC])
def test_whoever_is_no_worker_sends_every_task(config: Config, caplog: pytest.LogCaptureFixture, task: str) -> None:
    DramatiqQueue(make_broker(config)).send(task, 1)

    assert not caplog.records


def test_an_unknown_task_is_logged_and_not_raised(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    DramatiqQueue(make_broker(config)).send("answer.gnerate", 1)
    assert [r.getMessage() for r in caplog.records] == ["there is no such task"]


def test_every_task_is_done_once_where_several_workers_share_a_queue(shared: MakeProcess) -> None:
    sender, first, second = shared(), shared(), shared()
    first.work()
    second.work()
    for number in range(200):
        sender.queue.send(ANSWER_GENERATE, number)
    wait_until(lambda: len(first.done) + len(second.done) >= 200, 5, "tasks were lost")
    assert sorted(first.done + second.done) == list(range(200))


def test_sending_is_quick_and_raises_nothing_while_redis_is_down(
    shared: MakeProcess, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    sender = shared()
    sender.queue.send(ANSWER_GENERATE, 1)
    redis_server.kill()
    try:
        began = time.monotonic()
        for number in range(200):
            sender.queue.send(ANSWER_GENERATE, number)
        # Were a connection waited for, each would take a second.
        assert time.monotonic() - began < 60
    finally:
        redis_server.start_again()
    assert "a task was not queued; a sweeper will find it" in [r.getMessage() for r in caplog.records]


def test_a_silent_redis_holds_no_sender_for_longer_than_a_second(
    shared: MakeProcess, redis_server: RedisServer
) -> None:
    sender = shared()
    sender.queue.send(ANSWER_GENERATE, 1)
    slowest = 0.0
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        for number in range(50):
            began = time.monotonic()
            sender.queue.send(ANSWER_GENERATE, number)
            slowest = max(slowest, time.monotonic() - began)
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    assert slowest < 1 + _LATE


def test_a_worker_does_its_own_sweepers_tasks_while_redis_is_down_and_shared_ones_afterwards(
    shared: MakeProcess, redis_server: RedisServer
) -> None:
    sender, worker = shared(), shared()
    worker.work()
    sender.queue.send(ANSWER_GENERATE, 1)
    wait_until(lambda: worker.done == [1], 2, "the first task was not done")
    redis_server.kill()
    try:
        sender.queue.send(ANSWER_GENERATE, 3)
        worker.queue.send(ANSWER_GENERATE, 2)
        wait_until(lambda: worker.done == [1, 2], 2, "the task waited for Redis")
    finally:
        redis_server.start_again()
    # As sweepers do: offer it until it was heard.
    wait_until(lambda: _sent(sender, 3) and 3 in worker.done, 5, "the worker did not come back to Redis")


def _sent(process: Process, number: int) -> bool:
    process.queue.send(ANSWER_GENERATE, number)
    return True


def test_a_task_that_ends_while_redis_is_down_leaves_its_thread_free(
    shared: MakeProcess, redis_server: RedisServer
) -> None:
    worker = shared()
    down: list[bool] = []

    def work(number: int) -> None:
        worker.done.append(number)
        if number == 1:
            wait_until(lambda: down, 5, "Redis was not killed")

    worker.work(work, threads=1)
    worker.queue.send(ANSWER_GENERATE, 1)
    wait_until(lambda: worker.done == [1], 2, "the first task was not begun")
    redis_server.kill()
    try:
        down.append(True)
        worker.queue.send(ANSWER_GENERATE, 2)
        wait_until(lambda: worker.done == [1, 2], 3, "the thread waited for Redis")
    finally:
        redis_server.start_again()


def test_tasks_go_on_after_redis_was_flushed(shared: MakeProcess, redis_server: RedisServer) -> None:
    sender, worker = shared(), shared()
    worker.work()
    sender.queue.send(ANSWER_GENERATE, 1)
    wait_until(lambda: worker.done == [1], 2, "the first task was not done")
    redis_server.flush()
    sender.queue.send(ANSWER_GENERATE, 2)
    wait_until(lambda: worker.done == [1, 2], 2, "the second task was not done")


def test_what_a_dead_worker_had_taken_comes_to_another_within_15_seconds(shared: MakeProcess) -> None:
    sender, dead, living = shared(), shared(), shared()
    sender.queue.send(ANSWER_GENERATE, 1)
    taken = next(dead.broker.consume(ANSWERS, prefetch=1, timeout=100))
    assert taken is not None
    living.work()
    wait_until(lambda: living.done == [1], 15, "the task of the dead worker was lost")


def test_a_worker_that_starts_without_redis_works_when_it_is_there(
    shared: MakeProcess, redis_server: RedisServer
) -> None:
    redis_server.kill()
    try:
        worker = shared()
        worker.work()
    finally:
        redis_server.start_again()
    sender = shared()
    sender.queue.send(ANSWER_GENERATE, 1)
    wait_until(lambda: worker.done == [1], 3, "the worker did not find Redis")


def test_what_is_no_task_is_never_unpickled_and_stops_nothing(
    shared: MakeProcess, redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sender, worker = shared(), shared()
    canary = tmp_path / "canary"
    with redis.Redis.from_url(redis_url) as client:
        client.hset("replyx:answers.msgs", "evil", pickle.dumps(_Evil(canary)))
        client.rpush("replyx:answers", "evil")
    worker.work()
    sender.queue.send(ANSWER_GENERATE, 1)
    wait_until(lambda: worker.done == [1], 2, "the task behind it was not done")
    assert not canary.exists()
    assert "something in the queue is no task" in [r.getMessage() for r in caplog.records]


class _Evil:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._canary,))


def test_an_address_that_is_not_one_of_redis_is_refused_with_what_to_write(configure: Configure) -> None:
    with pytest.raises(ConfigError, match=r"redis\.url"):
        make_broker(configure(REPLYX_REDIS__URL="localhost:6379"))
