"""`make bugs`, `make coverage`, `make mutation`: what the tests see; ends with 1 where that is too little."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.strength.bugs import BUGS
from tests.strength.covering import DATA, Passing, measure
from tests.strength.modules import MODULES
from tests.strength.mutation import Score, import_everything, mutate
from tests.strength.seeding import Seedbed

#: Per cent of the mutants that the tests kill at least.
LEAST = 85.0


def main() -> int:
    """Do what the first argument says."""
    parser = argparse.ArgumentParser(prog="python -m tests.strength")
    commands = parser.add_subparsers(required=True)
    bugs = commands.add_parser("bugs")
    bugs.add_argument("--only", default="", help="faults in whose names this stands")
    bugs.set_defaults(run=lambda asked: plant_bugs(asked.only))
    coverage = commands.add_parser("coverage")
    coverage.set_defaults(run=lambda _: measure())
    mutation = commands.add_parser("mutation")
    mutation.add_argument("--only", default="", help="files in whose names this stands")
    mutation.add_argument(
        "--sample", type=int, default=1_000_000, help="so many mutants of each file, chosen by --seed"
    )
    mutation.add_argument("--seed", type=int, default=1)
    mutation.set_defaults(run=lambda asked: try_mutants(asked.only, asked.sample, asked.seed))
    asked = parser.parse_args()
    code: int = asked.run(asked)
    return code


def plant_bugs(only: str) -> int:
    """Put each fault into a copy of the code and run its tests; prints a line for each."""
    seen, wanted = 0, [bug for bug in BUGS if only in bug.name]
    with tempfile.TemporaryDirectory(prefix="replyx-bugs-") as folder:
        seedbed = Seedbed(Path(folder))
        for bug in wanted:
            began = time.monotonic()
            is_seen, said = seedbed.is_seen(bug)
            seen += is_seen
            _tell(f"{'seen' if is_seen else 'MISSED':7}{time.monotonic() - began:6.1f} s  {bug.name}")
            if not is_seen:
                _tell(said[-3000:])
    _tell(f"{seen} of {len(wanted)} faults are seen")
    return int(seen < len(wanted))


def try_mutants(only: str, sample: int, seed: int) -> int:
    """Try mutants of the files of the table; prints the survivors and a line for each file."""
    if not DATA.exists() and measure():
        return 1
    passing, scores = Passing(), []
    import_everything()
    for file in MODULES:
        if only in file:
            scores.append(mutate(file, passing, sample=sample, seed=seed))
            tell_score(scores[-1])
    killed, survived = (sum(score.count[verdict] for score in scores) for verdict in ("killed", "survived"))
    percent = 100.0 * killed / max(1, killed + survived)
    _tell(f"{percent:.1f} % of {killed + survived} mutants are killed")
    return int(percent < LEAST)


def tell_score(score: Score) -> None:
    """The file's line, after its survivors."""
    for survivor in score.survivors:
        _tell(f"  {survivor}")
    count = score.count
    _tell(
        f"{score.percent:5.1f} %  {count['killed']} killed, {count['survived']} survived, "
        f"{count['not tried']} not tried  {score.file}"
    )


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
