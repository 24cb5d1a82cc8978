"""Which lines and branches the tests of the table pass by, and which test passes by which line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.strength.modules import MODULES, all_tests, tests_of
from tests.support.documents import REPOSITORY

#: What was measured last; `make mutation` uses it again.
DATA = REPOSITORY / ".cache" / "coverage"


def measure() -> int:
    """Run the tests of the table and tell what they leave out; 0 where that is nothing."""
    DATA.parent.mkdir(exist_ok=True)
    DATA.unlink(missing_ok=True)
    code = _coverage("run", "-m", "pytest", "-q", "-p", "no:cacheprovider", *all_tests())
    return code or _coverage("report", "--show-missing", "--skip-covered", "--fail-under=100")


class Passing:
    """Tests by the lines that they pass by."""

    def __init__(self) -> None:
        """Raises FileNotFoundError: nothing was measured."""
        from coverage import CoverageData

        if not DATA.exists():
            raise FileNotFoundError(DATA)
        data = CoverageData(str(DATA))
        data.read()
        self._lines: dict[str, dict[int, list[str]]] = {}
        for file in MODULES:
            by_line: dict[int, list[str]] = defaultdict(list)
            for line, contexts in data.contexts_by_lineno(str(REPOSITORY / file)).items():
                by_line[line] = sorted({_node(context) for context in contexts if context}, key=_cost)
            self._lines[file] = by_line

    def tests(self, file: str, line: int | None) -> list[str]:
        """Tests that pass by a line, then all that are about the file; None, and lines of other threads: only these."""
        own = list(tests_of(file))
        found = self._lines[file].get(line, []) if line is not None else []
        return [*sorted(found, key=lambda test: test.partition("::")[0] not in own), *own]


def _coverage(command: str, *arguments: str) -> int:
    include = ["--include", ",".join(str(REPOSITORY / file) for file in MODULES)]
    environment = {**os.environ, "COVERAGE_FILE": str(DATA), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "coverage", command, *include, *arguments], cwd=REPOSITORY, env=environment, check=False
    ).returncode


def _node(context: str) -> str:
    """`tests.domain.test_ledger.test_x` as pytest writes it."""
    module, _, name = context.rpartition(".")
    parts = module.split(".")
    while parts and not (REPOSITORY / Path(*parts)).with_suffix(".py").exists():
        # A method of a machine: all of its file.
        parts, name = parts[:-1], ""
    file = "/".join(parts) + ".py"
    return f"{file}::{name}" if name else file


def _cost(test: str) -> tuple[bool, str]:
    return "/machines/" in test, test
