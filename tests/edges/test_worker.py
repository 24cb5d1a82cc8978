"""The worker's parts: draining, the schedule, offers of documents, signs of life."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import dramatiq
import pytest

from replyx import __version__
from replyx.clock import SystemClock
from replyx.config.settings import Config
from replyx.events.bus import Bus
from replyx.events.memory import MemoryBus
from replyx.events.redis_bus import RedisBus
from replyx.storage.database import Database
from replyx.tasks.beats import Beats, process_name
from replyx.tasks.broker import DramatiqQueue, make_broker
from replyx.tasks.names import ANSWER_GENERATE, ANSWERS, DOCUMENT_INGEST
from replyx.worker.actors.declaring import declare_actor
from replyx.worker.reoffer import AGAIN_SECONDS, Offers
from replyx.worker.schedule import Job, Schedule
from replyx.worker.threads import TaskThreads
from tests.conftest import Configure
from tests.support.clock import MovableClock
from tests.support.programs import wait_until


class Bench:
    """A broker whose actor works as long as the test says."""

    def __init__(self, config: Config, bus: Bus) -> None:
        self.bus = bus
        self.broker: dramatiq.Broker = make_broker(config)
        self.queue = DramatiqQueue(self.broker)
        self.begun: list[int] = []
        self.done: list[int] = []
        self.go_on = threading.Event()
        declare_actor(self.broker, ANSWER_GENERATE, self._work)

    def start(self) -> TaskThreads:
        return TaskThreads(self.broker, self.bus, ANSWERS, threads=1)

    def close(self) -> None:
        self.go_on.set()
        self.broker.close()
        self.bus.close()

    def _work(self, number: int) -> None:
        self.begun.append(number)
        self.go_on.wait(20)
        self.done.append(number)


@pytest.fixture(params=["memory", "redis"])
def bench(request: pytest.FixtureRequest, configure: Configure) -> Iterator[Bench]:
    if request.param == "memory":
        bench = Bench(configure(), MemoryBus())
    else:
        url: str = request.getfixturevalue("redis_url")
        bench = Bench(configure(REPLYX_REDIS__URL=url), RedisBus(url))
    yield bench
    bench.close()


def test_stopping_lets_the_running_task_end_and_begins_no_other(bench: Bench) -> None:
    threads = bench.start()
    for number in (1, 2, 3):
        bench.queue.send(ANSWER_GENERATE, number)
    wait_until(lambda: bench.begun == [1], 2, "the first task was not begun")
    stopping = threading.Thread(target=threads.stop, args=(10,))
    stopping.start()
    wait_until(lambda: not threads.takes_tasks, 2, "it still takes tasks")
    bench.go_on.set()
    stopping.join(60)
    assert not stopping.is_alive()
    assert (bench.begun, bench.done) == ([1], [1])


def test_tasks_that_were_taken_and_not_begun_are_given_back_to_redis(configure: Configure, redis_url: str) -> None:
    with ExitStack() as end:
        stopped, other = [Bench(configure(REPLYX_REDIS__URL=redis_url), RedisBus(redis_url)) for _ in range(2)]
        end.callback(stopped.close)
        end.callback(other.close)
        threads = stopped.start()
        for number in (1, 2, 3):
            stopped.queue.send(ANSWER_GENERATE, number)
        wait_until(lambda: stopped.begun == [1], 2, "the first task was not begun")
        stopped.go_on.set()
        threads.stop(5)
        other.go_on.set()
        end.callback(other.start().stop, 5)
        wait_until(lambda: sorted(stopped.done + other.done) == [1, 2, 3], 3, "tasks were lost")


def test_stopping_does_not_wait_for_longer_than_it_was_told(bench: Bench) -> None:
    threads = bench.start()
    bench.queue.send(ANSWER_GENERATE, 1)
    wait_until(lambda: bench.begun == [1], 2, "the task was not begun")
    began = time.monotonic()
    threads.stop(0.5)
    # The task itself takes twenty.
    assert 0.4 < time.monotonic() - began < 15
    assert bench.done == []


@pytest.fixture
def schedule() -> Iterator[Callable[..., threading.Event]]:
    """Starts a schedule by the machine's clock; returns what stops it."""
    stops: list[tuple[threading.Event, Schedule]] = []

    def start(*jobs: Job) -> threading.Event:
        stop = threading.Event()
        stops.append((stop, Schedule("test", jobs, SystemClock(), stop)))
        return stop

    yield start
    for stop, running in stops:
        stop.set()
        running.join(2)


def test_jobs_are_done_at_the_start_and_then_in_their_time(schedule: Callable[..., threading.Event]) -> None:
    often: list[float] = []
    seldom: list[float] = []
    schedule(
        Job("often", 0.05, lambda: often.append(time.monotonic())),
        Job("seldom", 0.5, lambda: seldom.append(time.monotonic())),
    )
    wait_until(lambda: len(often) >= 6, 3, "the job was not repeated")
    gaps = [later - earlier for earlier, later in itertools.pairwise(often)]
    assert min(gaps) > 0.045
    assert len(seldom) == 1


def test_a_job_that_fails_stops_no_other_and_is_logged_once_until_it_works(
    schedule: Callable[..., threading.Event], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "replyx.worker")
    failures: list[int] = []
    works: list[int] = []

    def fail_at_first() -> None:
        if len(failures) < 5:
            failures.append(1)
            raise RuntimeError("broken")
        works.append(1)

    others: list[int] = []
    schedule(Job("broken", 0.02, fail_at_first), Job("other", 0.02, lambda: others.append(1)))
    wait_until(lambda: works and len(others) >= 5, 3, "the jobs did not go on")
    told = [(r.getMessage(), vars(r)["job"]) for r in caplog.records]
    assert told == [("a scheduled job failed", "broken"), ("a scheduled job works again", "broken")]


def test_a_schedule_ends_at_once_although_its_next_job_is_far_away(
    schedule: Callable[..., threading.Event],
) -> None:
    ran: list[int] = []
    stop = schedule(Job("far", 30, lambda: ran.append(1)))
    wait_until(lambda: ran, 2, "the job was not done")
    stop.set()
    wait_until(lambda: "schedule-test" not in {t.name for t in threading.enumerate()}, 1, "the thread did not end")


def test_rare_jobs_wait_for_the_start_to_be_over(clock: MovableClock) -> None:
    ran: list[int] = []
    often: list[int] = []
    stop = threading.Event()
    running = Schedule(
        "test", [Job("rare", 600, lambda: ran.append(1)), Job("often", 0.01, lambda: often.append(1))], clock, stop
    )
    wait_until(lambda: often, 2, "the schedule does not run")
    assert ran == []
    clock.advance(61)
    wait_until(lambda: ran, 2, "the rare job was not done after a minute")
    clock.advance(500)
    clock.advance(101)
    wait_until(lambda: len(ran) == 2, 2, "the rare job was not repeated")
    stop.set()
    running.join(2)


class Queue:
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int | str]] = []

    def send(self, task: str, *args: int | str) -> None:
        self.sent.append((task, *args))  # type: ignore[arg-type]


def test_a_waiting_document_is_offered_now_and_then_and_not_at_every_turn(clock: MovableClock) -> None:
    queue, waiting = Queue(), [1, 2]
    offers = Offers(DOCUMENT_INGEST, lambda: list(waiting), queue, clock)
    offers.offer()
    offers.offer()
    assert queue.sent == [(DOCUMENT_INGEST, 1), (DOCUMENT_INGEST, 2)]
    waiting[:] = [2, 3]
    clock.advance(AGAIN_SECONDS)
    offers.offer()
    assert queue.sent[2:] == [(DOCUMENT_INGEST, 2), (DOCUMENT_INGEST, 3)]


def test_a_beat_is_listed_with_its_age_and_detail(db: Database) -> None:
    beats = Beats(db, SystemClock())
    beats.beat("worker@here:1", "worker", {"threads": 4})
    beats.beat("worker@here:1", "worker", {"threads": 5})
    beats.beat("bots@here:2", "bots")
    bots, worker = beats.list()
    assert (bots.name, bots.role, bots.detail) == ("bots@here:2", "bots", {"version": __version__})
    detail = {"version": __version__, "threads": 5}
    assert (worker.name, worker.role, worker.detail, worker.alive) == ("worker@here:1", "worker", detail, True)
    assert worker.age_seconds < 60
    assert abs((worker.started_at - SystemClock().now()).total_seconds()) < 60
    assert worker.as_json()["alive"] is True


def test_who_is_silent_for_15_seconds_is_dead_and_forgotten_after_a_day(db: Database) -> None:
    beats = Beats(db, SystemClock())
    for name, silence in (("a", 16), ("b", 3600), ("c", 90_000)):
        beats.beat(name, "worker")
        _let_pass(db, name, silence)
    assert [(view.name, view.alive) for view in beats.list()] == [("a", False), ("b", False), ("c", False)]
    assert beats.purge_expired() == 1
    assert [view.name for view in beats.list()] == ["a", "b"]


def test_a_process_that_stops_as_it_should_is_forgotten_and_a_new_start_is_a_new_start(db: Database) -> None:
    beats = Beats(db, SystemClock())
    beats.beat("a", "worker")
    _let_pass(db, "a", 100)
    # A new process that happens to get the name of a dead one.
    again = Beats(db, SystemClock())
    again.beat("a", "worker")
    first = again.list()[0]
    assert (SystemClock().now() - first.started_at).total_seconds() < 5
    again.beat("a", "worker")
    assert again.list()[0].started_at == first.started_at
    again.forget("a")
    assert again.list() == []


def test_a_process_name_tells_role_host_and_process() -> None:
    assert process_name("worker").startswith("worker@")
    assert len(process_name("worker")) <= 100


def _let_pass(db: Database, name: str, seconds: int) -> None:
    with db.transaction():
        db.native.execute_sql(
            f"UPDATE process_beats SET beat_at = beat_at - {seconds * 1000}, started_at = started_at - {seconds * 1000}"
            f" WHERE name = '{name}'"
        )
