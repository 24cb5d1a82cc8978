"""A short run of schemathesis over the whole API; `make fuzz` is the long one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.running import SCHEMATHESIS, attacks, carry_out
from tests.fuzz.target import Target, start_target
from tests.support.processes import open_box

#: Fixed, so that a failure can be had again.
_SEED = "--seed=1"

#: Of each operation: few random cases; the systematic ones of the coverage phase are all there.
_FEW = ("--max-examples=2", "--no-shrink")
_PHASES = ("examples", "coverage", "stateful")

#: Who attacks → how many cases there are at least.
_LEAST = {"owners": 1500, "administrator": 300, "widget": 50, "program": 20, "leaver": 5}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One server for all attacks."""
    with open_box(tmp_path_factory.mktemp("fuzz")) as box:
        yield start_target(box)


def test_everybody_who_may_attack_is_here(target: Target) -> None:
    assert [attack.name for attack in attacks(target)] == list(_LEAST)


@pytest.mark.parametrize("name", _LEAST)
def test_machine_made_requests_find_no_fault(target: Target, tmp_path: Path, name: str) -> None:
    if not SCHEMATHESIS.exists():
        pytest.fail("schemathesis is not installed. Run: make test, or make fuzz", pytrace=False)
    attack = next(attack for attack in attacks(target) if attack.name == name)

    result = carry_out(attack, target, tmp_path, _PHASES, _SEED, *_FEW)

    if result.code:
        # As it is: an assertion would cut it.
        pytest.fail(result.text, pytrace=False)
    assert result.cases >= _LEAST[name]
