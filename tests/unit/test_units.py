"""The units for systemd are what systemd understands, and every line has its reason."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.documents import REPOSITORY
from tests.support.programs import find_program

UNITS = sorted((REPOSITORY / "deploy" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]


def test_all_units_are_there() -> None:
    names = ["replyx-bots.service", "replyx-server.service", "replyx-server.socket"]
    names += ["replyx-worker@.service", "replyx.target"]

    assert [unit.name for unit in UNITS] == names


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_has_nothing_to_say_about_it(unit: Path) -> None:
    verify = [find_program("systemd-analyze"), "verify", str(unit)]

    # It ends with 0 even when it complains.
    done = subprocess.run(verify, capture_output=True, text=True, check=False)

    assert (done.stdout + done.stderr).strip() == ""


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_it_is_hardened(unit: Path) -> None:
    measure = [find_program("systemd-analyze"), "security", "--offline=true", "--threshold=20", str(unit)]

    done = subprocess.run(measure, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_line_has_a_reason(unit: Path) -> None:
    lines = unit.read_text(encoding="utf-8").splitlines()
    self_evident = ("[", "#", "Description=", "Documentation=")

    bare = [line for above, line in pairwise(lines) if _is_bare(above, line, self_evident)]

    assert bare == []


def _is_bare(above: str, line: str, self_evident: tuple[str, ...]) -> bool:
    return bool(line) and not line.startswith(self_evident) and not above.startswith("#")
