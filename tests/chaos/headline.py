"""The headline run: messages from every kind of client while everything is killed at random, then the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.checker.judging import Verdict, judge
from tests.chaos.checker.record import heads, unsettled
from tests.chaos.history import History
from tests.chaos.load.librarian import librarians
from tests.chaos.load.operators import operators
from tests.chaos.load.rest import Rest
from tests.chaos.load.running import TELEGRAM, WIDGET, Kind, Load, Stage
from tests.chaos.load.telegram import chatters
from tests.chaos.load.widget import visitors
from tests.chaos.machine import Machine, Plan
from tests.chaos.nemesis import Strike, schedule, strike
from tests.chaos.tenants import People, settle

#: Seconds in which nothing at all is accepted, after which a run is given up.
_STUCK = 120.0

#: Seconds after the last fault in which every reply and hold must come to an end.
_QUIET = 60.0

#: How the model answers: mostly well, at several speeds, and each kind of failure now and then.
MIXTURE: list[tuple[float, dict[str, object]]] = [
    (70, {}),
    (15, {"delay": 0.1}),
    (10, {"words_per_second": 40}),
    (2, {"status": 500}),
    (1, {"status": 429, "retry_after": "1"}),
    (2, {"cut_after": 300}),
]


@dataclass(frozen=True)
class Run:
    """What a run is to be."""

    folder: Path
    plan: Plan
    seed: int = 1
    messages: int = 10_000
    kills: int = 200
    customers: int = 40
    answers_of_the_poor: int = 20
    #: Whether documents are uploaded and deleted meanwhile.
    documents: bool = True
    mixture: list[tuple[float, dict[str, object]]] = field(default_factory=lambda: MIXTURE)


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    verdict: Verdict
    seconds: float
    schedule: list[Strike]
    history: Path


def default_kinds(customers: int, *, documents: bool) -> list[Kind]:
    """Customers of three tenants, four of ten in Telegram, and the desk of one. One more kind of load is one entry."""
    few, chats = max(1, customers // 12), max(2, customers // 5)
    return [
        visitors("anna", max(1, customers - 4 * few - 2 * chats)),
        visitors("boris", 3 * few),
        visitors("poor", few),
        chatters("anna", chats),
        chatters("boris", chats),
        operators("anna"),
        *([librarians("boris")] if documents else []),
    ]


def carry_out(run: Run, tell: Callable[[str], object] = lambda _line: None) -> Outcome:
    """Do the run. What is wrong stands in the verdict; what keeps the rig itself from working is raised."""
    start = time.monotonic()
    run.folder.mkdir(parents=True, exist_ok=True)
    with History(run.folder / "history.jsonl") as history, Machine(run.folder, history, run.plan) as machine:
        people = settle(machine, answers_of_the_poor=run.answers_of_the_poor)
        machine.script(mixture=run.mixture, seed=run.seed)
        blows = schedule(run.seed, machine.targets, run.kills, run.messages)
        for blow in blows:
            tell(str(blow))
        in_telegram = run.messages * 3 // 10
        quotas = {TELEGRAM: in_telegram, WIDGET: run.messages - in_telegram}
        with start_load(machine, people, run, quotas=quotas) as load:
            for number, blow in enumerate(blows, 1):
                load.wait_until_settled(blow.after, _STUCK)
                strike(machine, blow)
                if number % 20 == 0:
                    tell(f"{number} kills, {load.settled} messages, {time.monotonic() - start:.0f} s")
            load.wait_until_settled(run.messages, _STUCK)
            come_to_rest(machine, load)
        machine.stop_product()
        machine.tidy_index()
        history.flush()
        verdict = judge(history.path, machine.database_url)
    return Outcome(verdict, time.monotonic() - start, blows, history.path)


def start_load(
    machine: Machine,
    people: People,
    run: Run,
    kinds: list[Kind] | None = None,
    through: int | None = None,
    quotas: dict[str, int] | None = None,
) -> Load:
    """The clients of a run, to be entered. `through`: the port of a proxy before the server."""
    url = f"http://127.0.0.1:{through}" if through else machine.url

    def stage(rest: Rest) -> Stage:
        return Stage(url, people, machine.history, run.seed, run.messages, rest, machine.telegram, quotas or {})

    return Load(stage, kinds or default_kinds(run.customers, documents=run.documents))


def come_to_rest(machine: Machine, load: Load) -> None:
    """After the last fault: wait until all is healthy, everything owed is done and every customer has seen it."""
    load.be_over()
    since = time.monotonic()
    deadline = since + _QUIET
    while not machine.is_ready():
        if time.monotonic() > deadline:
            machine.history.add("unhealthy", why=machine.readiness())
            break
        time.sleep(0.1)
    else:
        machine.history.add("healthy", seconds=round(time.monotonic() - since, 2))
    while time.monotonic() < deadline and not _is_quiet(machine, load):
        time.sleep(0.2)
    machine.history.add("quiet", seconds=round(time.monotonic() - since, 2))
    machine.history.add("llm", counts=machine.llm_counts())


def _is_quiet(machine: Machine, load: Load) -> bool:
    if not load.is_idle or unsettled(machine.database_url):
        return False
    stored = heads(machine.database_url)
    return all(stored.get(dialog) == seen for dialog, seen in load.heads.items())
