"""Who strikes, when and whom: a schedule drawn from a seed, so that the same seed strikes the same way."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg2

from tests.chaos.machine import Machine
from tests.support.programs import wait_until

#: How a unit is killed: with its children, without them, or one of PostgreSQL's backends alone.
_WAYS = {"postgres": ("whole", "alone", "backend")}

#: Longest that a strike waits for its target to be up again, in seconds.
_COMES_BACK = 60.0


@dataclass(frozen=True)
class Strike:
    """One `kill -9`: once `after` messages were settled, and `pause` seconds more."""

    after: int
    pause: float
    target: str
    way: str

    def __str__(self) -> str:
        return f"after {self.after} +{self.pause:.2f} s: {self.target} ({self.way})"


def schedule(seed: int, targets: Sequence[str], kills: int, messages: int) -> list[Strike]:
    """`kills` strikes, spread over the messages; every target gets its share."""
    dice = random.Random(seed)
    whom = [targets[number % len(targets)] for number in range(kills)]
    dice.shuffle(whom)
    after = sorted(dice.randint(messages // 50, messages * 95 // 100) for _ in range(kills))
    return [
        Strike(at, round(dice.random() * 0.5, 3), target, dice.choice(_WAYS.get(target, ("whole",))))
        for at, target in zip(after, whom, strict=True)
    ]


def strike(machine: Machine, blow: Strike) -> None:
    """Kill the target; where it is not up again from an earlier strike, as soon as it is."""
    wait_until(lambda: machine.supervisor[blow.target].pid, _COMES_BACK, f"{blow.target} does not come back")
    time.sleep(blow.pause)
    if blow.way == "backend" and _kill_backend(machine, blow):
        return
    while machine.kill(blow.target, whole=blow.way != "alone") is None:
        time.sleep(0.01)
    machine.history.add("kill", target=blow.target, way=blow.way)


def _kill_backend(machine: Machine, blow: Strike) -> bool:
    """Whether there was one to kill: then PostgreSQL itself starts all others anew."""
    if machine.cluster is None:
        return False
    try:
        backends = machine.cluster.backends()
    except psycopg2.OperationalError:
        return False
    if not backends:
        return False
    with suppress(ProcessLookupError):
        os.kill(backends[blow.after % len(backends)], signal.SIGKILL)
    machine.history.add("kill", target=blow.target, way=blow.way)
    return True
