"""`make chaos`: runs with a seed; prints the schedule, the figures and what is wrong, and ends with 1 for it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.headline import Outcome, Run, carry_out
from tests.chaos.machine import Plan
from tests.support.documents import REPOSITORY


def main() -> int:
    """Run what was asked for."""
    asked = _parse()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="replyx-chaos-"))
    plan = Plan(asked.database, asked.layout, asked.checkout.resolve())
    run = Run(folder, plan, asked.seed, asked.messages, asked.kills, asked.customers, max(2, asked.messages // 20))
    _say(f"seed {run.seed}, {plan.database}, {plan.layout}, {run.messages} messages, {run.kills} kills, in {folder}")
    outcome = carry_out(run, _say)
    _report(run, outcome)
    return int(not outcome.verdict.is_good)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    parser.add_argument(
        "--layout", choices=("processes", "up"), default="processes", help="`up`: one process, no Redis"
    )
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--customers", type=int, default=40, help="dialogs at the same time")
    parser.add_argument("--checkout", type=Path, default=REPOSITORY, help="the ReplyX to run: one with a patch applied")
    parser.add_argument("--keep", type=Path, help="a folder for the history, the logs and SQLite's database")
    return parser.parse_args()


def _report(run: Run, outcome: Outcome) -> None:
    _say(f"seed {run.seed}: {outcome.seconds:.0f} s; history: {outcome.history}")
    for name, value in outcome.verdict.figures.items():
        _say(f"  {name:20} {value:g}")
    _say(str(outcome.verdict))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
