"""A machine under a steady load, to which a scenario does one thing; then rest, and the judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from replyx.testing.fault_proxy import FaultProxy
from tests.chaos.checker.judging import judge
from tests.chaos.checker.record import query
from tests.chaos.checker.story import Story, read_story
from tests.chaos.headline import Run, come_to_rest, start_load
from tests.chaos.history import History
from tests.chaos.load.running import Kind, Load
from tests.chaos.load.widget import visitors
from tests.chaos.machine import Machine, Plan
from tests.chaos.scenarios.table import Asked, Finding
from tests.chaos.tenants import People, settle
from tests.support.programs import wait_until

#: More messages than any scenario waits for: its load goes on until it is told to end.
_ENDLESS = 10**9

#: Seconds in which a load that is not disturbed must get on.
STUCK = 120.0


@dataclass
class Trial:
    """What a scenario has in its hands."""

    machine: Machine
    people: People
    load: Load
    finding: Finding = field(default_factory=Finding)
    #: What the judge is not asked, with the reason why it cannot hold here.
    excused: dict[str, str] = field(default_factory=dict)

    def strike(self, target: str, **more: Any) -> None:
        """Note that a fault begins now."""
        self.machine.history.add("kill", target=target, way="scenario", **more)

    def more(self, messages: int, seconds: float = STUCK) -> None:
        """Wait for so many messages more."""
        self.load.wait_until_settled(self.load.settled + messages, seconds)

    def recover(self) -> None:
        """Wait until all is ready, what was being sent has arrived, what is owed is answered, and more goes well."""
        before = self.load.pending
        self.machine.wait_until_ready(STUCK)
        wait_until(lambda: not before & self.load.pending, STUCK, "messages do not arrive")
        self._wait_for_answers()
        letter = query(self.machine.database_url, "SELECT COALESCE(MAX(id), 0) AS n FROM deliveries")[0]["n"]
        unsent = f"SELECT COUNT(*) AS n FROM deliveries WHERE state IN ('new', 'sending') AND id <= {letter}"
        wait_until(lambda: query(self.machine.database_url, unsent)[0]["n"] == 0, STUCK, "Telegram is still owed")
        self.more(20)

    def _wait_for_answers(self) -> None:
        """Wait until each dialog to which an answer is owed now was seen without one.

        A new message ends the answer under way and is answered with it: to look at the answers that were owed would
        be to strike again while the message of the first strike still waits.
        """
        owed = self._dialogs_owed()

        def is_nobody_left() -> bool:
            owed.intersection_update(self._dialogs_owed())
            return not owed

        wait_until(is_nobody_left, STUCK, "answers are still owed")

    def _dialogs_owed(self) -> set[int]:
        owed = "SELECT DISTINCT dialog_id FROM replies WHERE state IN ('pending', 'working')"
        return {row["dialog_id"] for row in query(self.machine.database_url, owed)}

    @property
    def story(self) -> Story:
        """The history so far."""
        self.machine.history.flush()
        return read_story(self.machine.history.path)


@contextmanager
def trial(
    asked: Asked,
    name: str,
    *,
    plan: Plan | None = None,
    customers: int = 10,
    mixture: list[tuple[float, dict[str, object]]] | None = None,
    kinds: list[Kind] | None = None,
    before: FaultProxy | None = None,
) -> Iterator[Trial]:
    """A running machine under load; when the block is left, the judge's word is in `trial.finding`.

    `before`: a proxy through which clients reach the server; it is pointed there.
    """
    folder = asked.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    chosen = replace(plan or Plan(asked.database), checkout=asked.checkout)
    run = Run(folder, chosen, asked.seed, _ENDLESS, 0, customers, mixture=mixture or [(1, {})])
    with History(folder / "history.jsonl") as history, Machine(folder, history, chosen) as machine:
        people = settle(machine)
        machine.script(mixture=run.mixture, seed=run.seed)
        with ExitStack() as stack:
            through = None
            if before is not None:
                before.to = int(machine.url.rsplit(":", 1)[1])
                through = stack.enter_context(before).port
            load = start_load(machine, people, run, kinds or [visitors("anna", customers)], through)
            stack.enter_context(load)
            made = Trial(machine, people, load)
            made.more(customers * 2)
            yield made
            come_to_rest(machine, load)
        machine.stop_product()
        machine.tidy_index()
        history.flush()
        _judge(made, history.path)


def _judge(made: Trial, history: Path) -> None:
    verdict = judge(history, made.machine.database_url)
    for invariant, found in verdict.wrong.items():
        if invariant not in made.excused:
            made.finding.wrong.append(f"{invariant}: {len(found)}, such as: {found[0]}")
    made.finding.figures.append(f"{verdict.figures['accepted']:.0f} messages")
