"""`replyx db migrate` dies at every commit that it makes; the next one ends where a single one would have."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from replyx.storage.database import Database
from tests.kills.life import surroundings
from tests.kills.nursery import Nursery
from tests.kills.switch import DEATHS, Plan
from tests.migration.schemas import NAMES, describe
from tests.support.postgres import PostgresServer
from tests.support.programs import wait_until


def kill_migrations(folder: Path, nursery: Nursery, postgres: PostgresServer) -> int:
    """Kill at every commit on both kinds of database; prints a line for each, answers how many ended wrongly."""
    wrong = 0
    for kind in ("SQLite", "PostgreSQL"):
        began, killed = time.monotonic(), 0
        whole = _migrated(_fresh(folder, kind, postgres, "whole"), folder, nursery)
        notes = folder / "migration.points"
        _run(_fresh(folder, kind, postgres, "survey"), folder, nursery, Plan(notes))
        points = [point for point in notes.read_text().splitlines() if point.startswith("commit ")]
        for act in DEATHS:
            for point in points:
                url = _fresh(folder, kind, postgres, f"{act}-{len(points)}-{killed}")
                killed += 1
                _run(url, folder, nursery, Plan(folder / "acted", point, act))
                wrong += _migrated(url, folder, nursery) != whole
        notes.unlink()
        seconds = time.monotonic() - began
        sys.stdout.write(f"migrations on {kind}: {killed} kills, {wrong} wrong schemas; {seconds:.0f} s\n")
        sys.stdout.flush()
    return wrong


def _fresh(folder: Path, kind: str, postgres: PostgresServer, name: str) -> str:
    return postgres.create() if kind == "PostgreSQL" else f"sqlite:///{folder / f'{name}.db'}"


def _migrated(url: str, folder: Path, nursery: Nursery) -> object:
    """The schema after a clean migration."""
    _run(url, folder, nursery, None)
    database = Database(url, pool=2, timeout=30)
    try:
        with database.connection():
            applied = tuple(r[0] for r in database.native.execute_sql("SELECT name FROM schema_migration ORDER BY 1"))
        return applied == NAMES, describe(database)
    finally:
        database.close()


def _run(url: str, folder: Path, nursery: Nursery, plan: Plan | None) -> None:
    child = nursery.start(["db", "migrate"], surroundings(folder, url, ""), plan)
    wait_until(lambda: not child.is_running, 60, "the migration did not end")
