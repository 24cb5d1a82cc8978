"""Faults of processes: killed, stopped, ended, restarted, one by one and all at once."""

from __future__ import annotations

import signal
import time

from tests.chaos.checker.recovery import reconnects, recoveries, spread
from tests.chaos.headline import MIXTURE
from tests.chaos.load.operators import operators
from tests.chaos.load.telegram import chatters
from tests.chaos.load.widget import visitors
from tests.chaos.machine import Plan
from tests.chaos.scenarios.table import Asked, Finding, scenario
from tests.chaos.scenarios.trial import Trial, trial
from tests.support.programs import wait_until


def _kill_again_and_again(made: Trial, names: list[str], times: int) -> None:
    """Kill one after another, each when what the one before had cut short is done."""
    for number in range(times * len(names)):
        name = names[number % len(names)]
        made.strike(name)
        made.machine.kill(name)
        made.recover()


def _recovery(made: Trial, name: str) -> None:
    p95, most = spread(recoveries(made.story))
    made.finding.expect(f"full service after {name}, p95", p95, 10)
    made.finding.expect("max", most, 20)


@scenario("F1", "a worker is killed", "full service p95 ≤ 10 s, max ≤ 20 s")
def worker_killed(asked: Asked) -> Finding:
    with trial(asked, "F1", mixture=[(1, {"words_per_second": 40})]) as made:
        _kill_again_and_again(made, ["worker-1", "worker-2"], asked.times)
    _recovery(made, "a worker's kill")
    return made.finding


@scenario("F2", "the server is killed", "full service p95 ≤ 10 s, max ≤ 20 s; no event missed")
def server_killed(asked: Asked) -> Finding:
    with trial(asked, "F2") as made:
        _kill_again_and_again(made, ["server"], asked.times * 2)
    _recovery(made, "the server's kill")
    made.finding.figures.append(f"connected again p95 {spread(reconnects(made.story, 'server'))[0]:g} s")
    return made.finding


@scenario("F3", "the bot manager is killed", "full service p95 ≤ 10 s, max ≤ 20 s; nothing lost or doubled inbound")
def bots_killed(asked: Asked) -> Finding:
    kinds = [chatters("anna", 6), chatters("boris", 6), visitors("anna", 2)]
    with trial(asked, "F3", kinds=kinds, mixture=[(3, {}), (1, {"words_per_second": 40})]) as made:
        _kill_again_and_again(made, ["bots"], asked.times)
    _recovery(made, "the bot manager's kill")
    return made.finding


@scenario("F4", "Redis is killed or flushed", "at most 10 s of delay")
def redis_killed(asked: Asked) -> Finding:
    with trial(asked, "F4", kinds=[visitors("anna", 10), operators("anna", pause=3)]) as made:
        _kill_again_and_again(made, ["redis"], asked.times)
        for _ in range(asked.times):
            made.strike("redis")
            if made.machine.redis is not None:
                made.machine.redis.flush()
            made.recover()
    made.finding.expect("longest delay", spread(recoveries(made.story))[1], 10)
    return made.finding


@scenario(
    "F5", "PostgreSQL is killed or restarted at once; on SQLite its writers", "full service ≤ 10 s after its start"
)
def database_killed(asked: Asked) -> Finding:
    with trial(asked, "F5") as made:
        if asked.database == "sqlite":
            _kill_again_and_again(made, ["worker-1", "server", "bots"], asked.times)
        else:
            _kill_again_and_again(made, ["postgres"], asked.times)
            for _ in range(asked.times):
                # QUIT is PostgreSQL's immediate shutdown.
                made.strike("postgres")
                made.machine.supervisor.send("postgres", signal.SIGQUIT)
                made.recover()
    _recovery(made, "the database's kill")
    return made.finding


@scenario("F7", "everything is killed at once", "one start brings it back within 15 s, by itself")
def power_cut(asked: Asked) -> Finding:
    with trial(asked, "F7", mixture=MIXTURE) as made:
        _cut_power(made, asked.times)
    return made.finding


@scenario("F7a", "`replyx up` is killed", "it is back within 15 s, by itself")
def up_killed(asked: Asked) -> Finding:
    with trial(asked, "F7a", plan=Plan("sqlite", "up"), mixture=MIXTURE) as made:
        _cut_power(made, asked.times)
    return made.finding


def _cut_power(made: Trial, times: int) -> None:
    slowest = 0.0
    for _ in range(times):
        made.strike("everything")
        start = time.monotonic()
        for name in made.machine.targets:
            made.machine.kill(name)
        time.sleep(0.1)
        made.machine.wait_until_ready(60)
        slowest = max(slowest, time.monotonic() - start)
        made.recover()
    made.finding.expect("ready again at the latest after", round(slowest, 1), 15)
    made.finding.expect("full service, max", spread(recoveries(made.story))[1], 20)


@scenario(
    "F10",
    "a process is stopped for 3 and 15 s and goes on",
    "what the stopped one still writes is refused",
    "domain/test_answering.py::test_a_worker_thought_dead_changes_nothing_when_it_wakes",
)
def process_stopped(asked: Asked) -> Finding:
    with trial(asked, "F10", mixture=[(1, {"words_per_second": 20})]) as made:
        for number in range(asked.times):
            for name in ("worker-1", "server", "bots", "worker-2"):
                made.strike(name)
                made.machine.supervisor.send(name, signal.SIGSTOP)
                time.sleep(3 if number % 2 else 15)
                made.machine.supervisor.send(name, signal.SIGCONT)
                made.recover()
    return made.finding


@scenario("F11", "rolling restarts with SIGTERM", "each drains within 10 s; no client sees an error")
def rolling_restart(asked: Asked) -> Finding:
    slowest = 0.0
    with trial(asked, "F11", mixture=[(3, {}), (1, {"words_per_second": 40})]) as made:
        for _ in range(asked.times):
            for name in made.machine.roles:
                pid = made.machine.supervisor.send(name, signal.SIGTERM)
                made.strike(name)
                if pid is not None:
                    slowest = max(slowest, made.machine.supervisor.wait_for_end(name, pid, 30))
                wait_until(lambda n=name: made.machine.supervisor[n].pid, 10, "not started again")  # type: ignore[misc]
                made.recover()
    made.finding.expect("slowest end", round(slowest, 1), 10)
    story = made.story
    errors = story.rows["error"] + story.rows["fail"]
    made.finding.expect("errors that clients saw", len(errors), 0, "")
    made.finding.expect("longest wait for an answer", spread(recoveries(story))[1], 20)
    return made.finding
