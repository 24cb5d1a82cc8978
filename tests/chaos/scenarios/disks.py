"""A disk that fails now and then."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.chaos.bad_disk import BadDisk
from tests.chaos.checker.judging import EXIT_DISK
from tests.chaos.checker.recovery import recoveries, spread
from tests.chaos.machine import Plan
from tests.chaos.scenarios.table import Asked, Finding, scenario
from tests.chaos.scenarios.trial import trial

#: Of 10,000 writes so many fail, and of 10,000 syncs.
_WRITES, _SYNCS = 200, 100


@scenario(
    "F15",
    "EIO and ENOSPC at writes, syncs that fail",
    "what was acknowledged is there; whoever cannot sync ends, and the next one goes on",
    "edges/test_failed_disk.py::test_a_process_whose_disk_keeps_nothing_ends_and_the_next_has_all_that_was_acknowledged",
)
def disk_fails(asked: Asked) -> Finding:
    folder = asked.folder / "F15"
    folder.mkdir(parents=True, exist_ok=True)
    disk = BadDisk(folder)
    roles = ("server", "bots", "worker-1", "worker-2")
    # PostgreSQL has its own way with a disk; SQLite's is ours to show.
    plan = Plan("sqlite", environments=dict.fromkeys(roles, disk.environment))
    with trial(asked, "F15", plan=plan) as made:
        for _ in range(asked.times):
            for odds in ({"broken": _WRITES}, {"full": _WRITES}, {"unsynced": _SYNCS}):
                made.strike("disk", **odds)
                disk.fail(**odds)
                time.sleep(5)
                disk.fail()
                made.recover()
        endings = [ending for ending in made.machine.supervisor.endings if ending.unit in roles]
        made.finding.figures.append(f"{len(endings)} ended for the disk")
        made.finding.require(endings, "no process ended although syncs had failed")
        for ending in endings:
            made.finding.require(ending.code == EXIT_DISK, f"{ending.unit} ended with {ending.code}")
    made.finding.expect("longest wait for an answer after a fault's begin", spread(recoveries(made.story))[1], 30)
    _require_sound(made.finding, Path(made.machine.box.environment["REPLYX_DATA_DIR"]) / "replyx.db")
    return made.finding


def _require_sound(finding: Finding, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
    finding.require(sound == "ok", f"integrity_check: {sound}")
