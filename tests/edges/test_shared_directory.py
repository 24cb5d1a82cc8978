"""Hosts that keep their files apart: the mistake is told at the start, by the doctor and before anything is stored."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from replyx.app import open_app, require_data_dir
from replyx.clock import SystemClock
from replyx.storage.database import Database
from replyx.tasks.beats import Beats
from replyx.tasks.signs import Signs
from tests.conftest import Configure
from tests.support.processes import Box, Program, open_box


@pytest.fixture
def north(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Box]:
    servers = {"REPLYX_DATABASE__URL": postgres_url, "REPLYX_REDIS__URL": redis_url}
    with open_box(tmp_path / "north", **servers) as box:
        assert box.run("init", "--yes", "--admin-email", "boss@example.com").code == 0
        yield box


@pytest.fixture
def worker(north: Box) -> Program:
    running = north.start("worker")
    running.wait_for_line(r"^ready worker")
    while '"alive": true' not in north.run("status", "--json").out:
        assert running.is_running, running.err
    return running


def _copied(north: Box, folder: str) -> str:
    """Another host's data directory: the same files, the same key, and not the same directory; as before the start."""
    other = north.folder / folder
    shutil.copytree(north.data_dir, other, ignore=shutil.ignore_patterns("running"))
    return str(other)


def _doctor(box: Box, *options: str) -> list[dict[str, Any]]:
    told = json.loads(box.run(*options, "doctor", "--offline", "--json").out)["checks"]
    return [row for row in told if row["name"] == "shared directory"]


def test_a_host_with_a_copy_of_the_data_directory_is_refused_while_the_other_runs(north: Box, worker: Program) -> None:
    other = _copied(north, "south")
    (north.folder / "shop.md").write_text("# Returns\n\nWithin 14 days.\n", encoding="utf-8")

    started = north.start("--data-dir", other, "worker").wait()
    added = north.run("--data-dir", other, "knowledge", "add", "1", "shop.md")
    (seen,), (sound,) = _doctor(north, "--data-dir", other), _doctor(north)

    assert (started.code, added.code) == (3, 3), started.err + added.err
    assert all(f":{worker.pid}" in text and other in text for text in (started.err, added.err, seen["text"]))
    assert not list(Path(other).glob("uploads/*"))
    assert (seen["state"], sound["state"]) == ("fail", "ok")
    assert north.run("knowledge", "add", "1", "shop.md").code == 0


def test_a_process_that_was_killed_holds_up_a_moved_directory_for_seconds_only(north: Box, worker: Program) -> None:
    other = _copied(north, "moved")
    worker.kill()
    shutil.rmtree(north.data_dir)

    north.start("--data-dir", other, "worker").wait_for_line(r"^ready worker")


def test_documents_whose_files_lie_elsewhere_are_told_where_nothing_runs(north: Box) -> None:
    (north.folder / "shop.md").write_text("# Returns\n\nWithin 14 days.\n", encoding="utf-8")
    assert north.run("knowledge", "add", "1", "shop.md", "--wait").code == 0
    other = _copied(north, "unmounted")
    shutil.rmtree(f"{other}/uploads")

    (seen,), (sound,) = _doctor(north, "--data-dir", other), _doctor(north)

    assert (seen["state"], sound["state"]) == ("fail", "ok")
    assert "1" in seen["text"]


def test_a_process_that_ended_leaves_no_sign_and_is_missed_by_nobody(postgres_db: Database, tmp_path: Path) -> None:
    here, there = (Beats(postgres_db, SystemClock(), Signs(tmp_path / name)) for name in ("here", "there"))
    here.beat("worker@north:1", "worker")
    here.beat("server@north:2", "server")

    assert there.apart() == ("server@north:2", "worker@north:1")
    assert here.apart() == ()
    here.forget("server@north:2")
    assert there.apart() == ("worker@north:1",)
    here.forget("worker@north:1")
    assert there.apart() == ()
    assert list((tmp_path / "here" / "running").iterdir()) == []


def test_signs_of_processes_that_died_long_ago_go_and_those_of_the_living_stay(
    postgres_db: Database, tmp_path: Path
) -> None:
    beats = Beats(postgres_db, SystemClock(), Signs(tmp_path))
    beats.beat("worker@north:1", "worker")
    (living,) = (tmp_path / "running").iterdir()
    dead = tmp_path / "running" / "dead"
    dead.touch()
    for path in (living, dead):
        os.utime(path, (0, 0))

    beats.purge_expired()

    assert list((tmp_path / "running").iterdir()) == [living]


def test_all_that_start_in_the_same_moment_find_the_directory_writable(configure: Configure, tmp_path: Path) -> None:
    config = configure(REPLYX_DATA_DIR=str(tmp_path / "data"))

    with ThreadPoolExecutor(8) as starts:
        for start in [starts.submit(require_data_dir, config) for _ in range(400)]:
            start.result()

    assert list((tmp_path / "data").iterdir()) == []


def test_one_process_with_sqlite_makes_no_signs(configure: Configure, sqlite_url: str) -> None:
    app = open_app(config := configure(REPLYX_DATABASE__URL=sqlite_url))
    app.beats.beat("worker@here:1", "worker")

    assert (app.beats.apart(), (config.data_dir / "running").exists()) == ((), False)
    app.close()
