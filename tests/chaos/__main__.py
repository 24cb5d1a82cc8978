"""`make chaos`: runs with a seed; prints the schedule, the figures and what is wrong, and ends with 1 for it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.headline import Outcome, Run, carry_out
from tests.chaos.machine import Plan
from tests.chaos.scenarios.matrix import entries
from tests.chaos.scenarios.table import Asked
from tests.chaos.scenarios.table import carry_out as run_scenario
from tests.support.documents import REPOSITORY


def main() -> int:
    """Run what was asked for."""
    asked = _parse()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="replyx-chaos-"))
    if asked.scenario:
        return _scenarios(asked, folder)
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
    parser.add_argument("--scenario", help="faults of the matrix instead of the headline run: F1,F10 or all")
    parser.add_argument("--times", type=int, default=5, help="how often a scenario repeats its fault")
    parser.add_argument("--checkout", type=Path, default=REPOSITORY, help="the ReplyX to run: one with a patch applied")
    parser.add_argument("--keep", type=Path, help="a folder for the history, the logs and SQLite's database")
    return parser.parse_args()


def _scenarios(asked: argparse.Namespace, folder: Path) -> int:
    """Run the scenarios that were named, and print the table."""
    wanted = asked.scenario.split(",")
    chosen = [entry for entry in entries() if asked.scenario == "all" or entry.number in wanted]
    what = Asked(folder, asked.database, asked.seed, asked.times, asked.checkout.resolve())
    _say(f"seed {what.seed}, {what.database}, each fault {what.times} times, in {folder}")
    lines = []
    for entry in chosen:
        lines.append(run_scenario(entry, what))
        _say(str(lines[-1]))
    wrong = [line for line in lines if line.finding is not None and line.finding.wrong]
    _say(f"{len(lines)} entries, {len(wrong)} wrong")
    return int(bool(wrong) or not chosen)


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
