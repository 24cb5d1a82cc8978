"""An hour under half load with a kill a minute: nothing may grow, nothing may become slower."""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path

from tests.chaos.checker.recovery import answered, spread
from tests.chaos.load.operators import operators
from tests.chaos.load.telegram import chatters
from tests.chaos.load.widget import visitors
from tests.chaos.scenarios.table import Asked, Finding, scenario
from tests.chaos.scenarios.trial import Trial, trial

#: Minutes for each of the `--times`: five times are an hour.
_MINUTES = 12

#: Of these one dies each minute; the others are never killed, and their memory is looked at.
_MORTAL, _STEADY = ("worker-2", "bots"), ("server", "worker-1")

#: The part of the time in which caches fill and allocators find their size.
_WARM_UP = 0.3


@scenario(
    "F52",
    "an hour under half load with a kill a minute (12 minutes for each of `--times`)",
    "memory of those that live grows by 1 MiB an hour at most; p95 of the last third is within 10 % of the first's",
)
def soak(asked: Asked) -> Finding:
    dice = random.Random(asked.seed)
    kinds = [visitors("anna", 8), chatters("boris", 3), operators("anna", pause=5)]
    with trial(asked, "F52", kinds=kinds, mixture=[(1, {"words_per_second": 40})]) as made:
        sizes: dict[str, list[tuple[float, float]]] = {name: [] for name in _STEADY}
        begun = time.monotonic()
        end = begun + asked.times * _MINUTES * 60
        while (minute := time.monotonic()) < end:
            name = dice.choice(_MORTAL)
            made.strike(name)
            made.machine.kill(name)
            while time.monotonic() < min(minute + 60, end):
                time.sleep(5)
                for steady, seen in sizes.items():
                    seen.append((time.monotonic() - begun, _resident(made, steady)))
    _judge_growth(made.finding, sizes)
    _judge_pace(made)
    return made.finding


def _resident(made: Trial, name: str) -> float:
    """MiB that the unit's process holds."""
    status = Path(f"/proc/{made.machine.supervisor[name].pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def _judge_growth(finding: Finding, sizes: dict[str, list[tuple[float, float]]]) -> None:
    for name, seen in sizes.items():
        warm = seen[int(len(seen) * _WARM_UP) :]
        slope = statistics.linear_regression([at for at, _ in warm], [size for _, size in warm]).slope * 3600
        finding.figures.append(f"{name} {warm[0][1]:.0f} → {warm[-1][1]:.0f} MiB")
        finding.expect(f"growth of {name}", round(slope, 2), 1, "MiB/h")


def _judge_pace(made: Trial) -> None:
    """Waits of the last third of the time beside those of the first."""
    pairs = sorted(answered(made.story))
    third = (pairs[-1][0] - pairs[0][0]) / 3
    first = spread([end - since for since, end in pairs if since < pairs[0][0] + third])[0]
    last = spread([end - since for since, end in pairs if since > pairs[-1][0] - third])[0]
    made.finding.figures.append(f"p95 of waits {first:.2f} → {last:.2f} s")
    made.finding.expect("the last third's p95 beside the first's", round(last / first, 2), 1.1, "×")
