"""`make fuzz`: attacks with ever new seeds until there were enough cases; ends with 1 where anything failed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.running import PHASES, Result, attacks, carry_out
from tests.fuzz.target import start_target
from tests.support.processes import open_box

#: Seconds that a run goes on for, by who attacks; the owners have most of the API.
_SECONDS = {"owners": 180, "administrator": 60, "widget": 35, "program": 20, "leaver": 5}


def main() -> int:
    """Attack; print a line for each run and all that is said of failures."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--cases", type=int, default=20_000, help="go on until there were that many")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first run; later ones add 1")
    asked = parser.parse_args()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="replyx-fuzz-") as folder, open_box(Path(folder)) as box:
        target = start_target(box)
        seed = asked.seed
        while sum(result.cases for result in results) < asked.cases:
            before = len(results)
            for attack in attacks(target):
                options = (f"--seed={seed}", f"--max-time={_SECONDS[attack.name]}")
                reports = Path(folder) / "reports" / f"{attack.name}-{seed}"
                results.append(carry_out(attack, target, reports, PHASES, *options))
                _tell(results[-1], seed)
                seed += 1
            if not any(result.cases for result in results[before:]):
                break
    cases, failures = sum(r.cases for r in results), sum(r.failures for r in results)
    sys.stdout.write(f"{cases} cases, {failures} failures\n")
    return int(any(result.code for result in results) or cases < asked.cases)


def _tell(result: Result, seed: int) -> None:
    sys.stdout.write(f"{result.name:14} seed {seed}: {result.cases} cases, {result.failures} failures\n")
    if result.code:
        sys.stdout.write(f"{result.text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
