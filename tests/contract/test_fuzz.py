"""A short run of schemathesis over the whole API; `make fuzz` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.running import SCHEMATHESIS, attacks, carry_out
from tests.fuzz.target import start_target
from tests.support.processes import Box

#: Fixed, so that a failure can be had again.
_SEED = "--seed=1"

#: Of each operation: few random cases; the systematic ones of the coverage phase are all there.
_FEW = ("--max-examples=2", "--no-shrink")
_PHASES = ("examples", "coverage", "stateful")


def test_machine_made_requests_of_every_caller_find_no_fault(box: Box, tmp_path: Path) -> None:
    if not SCHEMATHESIS.exists():
        pytest.fail("schemathesis is not installed. Run: make test, or make fuzz", pytrace=False)
    target = start_target(box)

    results = [carry_out(attack, target, tmp_path / attack.name, _PHASES, _SEED, *_FEW) for attack in attacks(target)]

    failed = [result.text for result in results if result.code]
    if failed:
        # As it is: an assertion would cut it.
        pytest.fail("\n".join(failed), pytrace=False)
    assert min(result.cases for result in results) > 0
    assert sum(result.cases for result in results) > 2000
