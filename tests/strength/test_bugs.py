"""The tests see faults: all fit into today's code, and some are put into it here; `make bugs` does so with all."""

from __future__ import annotations

from pathlib import Path

from tests.strength.bugs import BUGS
from tests.strength.seeding import Seedbed, planted
from tests.support.documents import REPOSITORY

#: Quick ones: money, and numbers under a lock.
_SAMPLE = ("money is set aside without asking whether it is there", "one tenant's dialogs open to another")


def test_every_planned_fault_fits_into_the_code() -> None:
    for bug in BUGS:
        originals = {edit.file: (REPOSITORY / edit.file).read_text(encoding="utf-8") for edit in bug.edits}
        assert planted(bug, originals) != originals
    assert len(BUGS) >= 20


def test_faults_that_are_put_into_the_code_are_seen(tmp_path: Path) -> None:
    seedbed = Seedbed(tmp_path)

    seen = {bug.name: seedbed.is_seen(bug) for bug in BUGS if bug.name in _SAMPLE}

    assert [name for name, (is_seen, _) in seen.items() if is_seen] == list(_SAMPLE), seen
