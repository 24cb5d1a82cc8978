"""Mutants, each in a fork of one process that has everything imported, against the tests that pass by its line."""

from __future__ import annotations

import importlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

import pytest

from tests.strength.covering import Passing
from tests.strength.modules import MODULES
from tests.strength.mutants import Mutant, mutants
from tests.strength.swapping import NotSwapped, swap_in
from tests.support.documents import REPOSITORY

Verdict = Literal["killed", "survived", "not tried"]

#: Seconds after which a mutant counts as killed: its tests hang.
_HANGS = 180.0

_NOT_TRIED = 77


@dataclass
class Score:
    """What became of the mutants of one file."""

    file: str
    count: Counter[Verdict] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        tried = self.count["killed"] + self.count["survived"]
        return 100.0 * self.count["killed"] / tried if tried else 100.0


def mutate(file: str, passing: Passing, *, sample: int, seed: int) -> Score:
    """Try `sample` mutants of a file, chosen by `seed`, or all where there are no more."""
    path, score = REPOSITORY / file, Score(file)
    source = path.read_text(encoding="utf-8")
    total = sum(1 for _ in mutants(source))
    chosen = set(random.Random(seed).sample(range(total), min(sample, total)))
    for number, mutant in enumerate(mutants(source)):
        if number not in chosen:
            continue
        tests = passing.tests(file, None if mutant.is_of_module else mutant.line)
        verdict = _try(path, source, mutant, tests)
        score.count[verdict] += 1
        if verdict != "killed":
            score.survivors.append(f"{verdict}: {file}:{mutant.line} {mutant.what}")
    return score


def import_everything() -> None:
    """What forks then need not import: the product and the libraries of tests."""
    for name in ("replyx.app", "replyx.server.serve", "replyx.worker.running", "replyx.testing.llm_server"):
        importlib.import_module(name)
    for file in MODULES:
        importlib.import_module(file.removesuffix(".py").replace("/", "."))
    for name in ("hypothesis.stateful", "psycopg2", "lancedb" if "lancedb" in sys.modules else "numpy", "redis"):
        importlib.import_module(name)


def _try(path: Path, source: str, mutant: Mutant, tests: Sequence[str]) -> Verdict:
    pid = os.fork()
    if pid == 0:
        _be_mutant(path, source, mutant, tests)
    deadline = time.monotonic() + _HANGS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if code == _NOT_TRIED:
                return "not tried"
            return "survived" if code == 0 else "killed"
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "killed"


def _be_mutant(path: Path, source: str, mutant: Mutant, tests: Sequence[str]) -> NoReturn:
    """The fork's whole life. Its exit code is pytest's."""
    code: int = _NOT_TRIED
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        swap_in(path, source, mutant)
        options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not postgres"]
        code = int(pytest.main([*options, *tests]))
    except NotSwapped:
        code = _NOT_TRIED
    finally:
        os._exit(code)
