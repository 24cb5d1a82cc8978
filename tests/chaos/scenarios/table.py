"""The table of the fault matrix: which function shows a fault, or which test, and what came of it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.machine import DatabaseKind
from tests.support.documents import REPOSITORY


@dataclass(frozen=True)
class Asked:
    """What a scenario is to be run with."""

    folder: Path
    database: DatabaseKind = "postgres"
    seed: int = 1
    #: How often a fault is repeated: 1 is a short look.
    times: int = 5
    checkout: Path = Path()


@dataclass
class Finding:
    """What came of a scenario: figures in words, and what was wrong."""

    figures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def expect(self, name: str, value: float, most: float, unit: str = "s") -> None:
        """A figure that is to be at most `most`."""
        self.figures.append(f"{name} {value:g} {unit}".rstrip())
        if value > most:
            self.wrong.append(f"{name} is {value:g} {unit}, over {most:g}")

    def require(self, holds: object, otherwise: str) -> None:
        """Something that is to be so."""
        if not holds:
            self.wrong.append(otherwise)


Scenario = Callable[[Asked], Finding]


@dataclass(frozen=True)
class Entry:
    """One line of the matrix: a scenario, or the tests that show the fault elsewhere."""

    number: str
    fault: str
    goal: str
    scenario: Scenario | None = None
    shown_by: tuple[str, ...] = ()


_ENTRIES: dict[str, Entry] = {}


def scenario(number: str, fault: str, goal: str, *shown_by: str) -> Callable[[Scenario], Scenario]:
    """Enter a function into the table; `shown_by` are tests that show more of the same fault."""

    def enter(function: Scenario) -> Scenario:
        _ENTRIES[number] = Entry(number, fault, goal, function, shown_by)
        return function

    return enter


def shown(number: str, fault: str, goal: str, *tests: str) -> None:
    """Enter a fault that tests show, as `file::test`; none: it has its place here and nothing that shows it yet."""
    _ENTRIES[number] = Entry(number, fault, goal, None, tests)


def proven(number: str, fault: str, goal: str, *tests: str) -> None:
    """Enter a fault whose figure tests of the suite show, as `file::test` below `tests`: to run it is to run them."""
    _ENTRIES[number] = Entry(number, fault, goal, lambda _asked: _run_tests(tests), tests)


def _run_tests(tests: tuple[str, ...]) -> Finding:
    command = [sys.executable, "-m", "pytest", "-q", *(f"tests/{test}" for test in tests)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    finding = Finding([done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "nothing was run"])
    finding.require(done.returncode == 0, f"tests failed: {done.stdout[-600:]}")
    return finding


def entries() -> list[Entry]:
    """The whole table, in the order of its numbers."""
    return sorted(_ENTRIES.values(), key=lambda entry: int(re.sub(r"\D", "", entry.number)))


@dataclass(frozen=True)
class Line:
    """What is printed of an entry."""

    entry: Entry
    finding: Finding | None
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.finding is None:
            state = "shown by " + ", ".join(self.entry.shown_by) if self.entry.shown_by else "nothing shows it yet"
        else:
            state = f"{'WRONG' if self.finding.wrong else 'holds'} ({self.seconds:.0f} s): "
            state += "; ".join([*self.finding.figures, *self.finding.wrong])
        return f"{self.entry.number:4} {self.entry.fault}: {state}"


def carry_out(entry: Entry, asked: Asked) -> Line:
    """Run an entry's scenario; what keeps it from working is a finding, too."""
    if entry.scenario is None:
        return Line(entry, None)
    start = time.monotonic()
    try:
        finding = entry.scenario(asked)
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        finding = Finding(wrong=[f"the scenario broke: {traceback.format_exc(limit=-3)}"])
    except BaseException as error:
        # pytest's own failures, which the rig's supports raise, are no `Exception`.
        finding = Finding(wrong=[f"the scenario broke: {error}"])
    return Line(entry, finding, time.monotonic() - start)
