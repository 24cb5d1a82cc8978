"""Backups in an S3-compatible store: kept, listed, forgotten, fetched back; a key that is wrong, a busy store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from replyx.backup.keeping import Backups
from replyx.backup.stores import store_of
from replyx.cli.exits import ExitCode
from replyx.config.settings import Config
from replyx.storage.database import Database
from replyx.testing.s3_server import S3Server, serving
from tests.conftest import Configure
from tests.support.cli import Cli
from tests.support.clock import MovableClock

_FOLDER = "s3://copies/shop/one"


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with serving() as server:
        yield server


def _settings(s3: S3Server, **changes: str) -> dict[str, str]:
    values = {"FOLDER": _FOLDER, "ENDPOINT": s3.url, "ACCESS_KEY": "test", "SECRET_KEY": "secret", **changes}
    return {f"REPLYX_BACKUP__{name}": value for name, value in values.items()}


@pytest.fixture
def shop(tmp_path: Path, s3: S3Server) -> Cli:
    cli = Cli(tmp_path / "shop", **_settings(s3))
    assert cli.run("init", "--yes", "--admin-email", "boss@example.com").code == 0
    return cli


def test_a_backup_goes_to_the_store_and_comes_back_on_another_machine(shop: Cli, s3: S3Server, tmp_path: Path) -> None:
    made = shop.json("db", "backup")
    listed = shop.json("db", "backups")
    another = Cli(tmp_path / "another", **_settings(s3))
    restored = another.json("db", "restore", made["file"])

    assert made["file"].startswith(f"{_FOLDER}/replyx-")
    assert list(s3.objects) == [made["file"].removeprefix("s3://")]
    assert [(row["file"], row["bytes"]) for row in listed] == [(made["file"], made["bytes"])]
    assert restored["rows"] == made["rows"]
    assert [user["email"] for user in another.json("users", "list")] == ["boss@example.com"]
    left = [file.name for folder in (shop.data_dir, another.data_dir) for file in (folder / "backups").iterdir()]
    assert left == [], "nothing of it stays on the machines"


def test_the_doctor_looks_for_the_last_backup_in_the_store(shop: Cli, s3: S3Server) -> None:
    def backup() -> Any:
        checks = json.loads(shop.run("doctor", "--json").out)["checks"]
        return next(row for row in checks if row["name"] == "backup")

    before = backup()
    made = shop.json("db", "backup")

    assert before["state"] == "warn"
    assert (backup()["state"], backup()["text"]) == ("ok", f"{made['file'].rsplit('/', 1)[1]}, 0 h ago")


def test_a_wrong_key_is_told_in_one_line_without_the_key(shop: Cli, s3: S3Server, tmp_path: Path) -> None:
    stranger = Cli(tmp_path / "shop", **_settings(s3, SECRET_KEY="not-the-secret-key"))

    done = stranger.run("db", "backup")

    assert done.code == ExitCode.EXIT_FAILED
    assert done.err.splitlines()[0].startswith(f"replyx: {_FOLDER}: the store refused: ")
    assert "not-the-secret-key" not in done.err
    assert s3.objects == {}


def test_a_store_that_is_busy_for_a_moment_is_asked_again(shop: Cli, s3: S3Server) -> None:
    s3.busy = 2

    assert shop.json("db", "backup")["file"].startswith(_FOLDER)


def test_what_is_larger_than_a_part_goes_in_parts(configure: Configure, s3: S3Server, tmp_path: Path) -> None:
    store = store_of(configure(**_settings(s3)))
    file = tmp_path / "replyx-20260102-030405.backup"
    file.write_bytes(bytes(range(256)) * 4096 * 40)

    store.put(file)
    store.fetch(file.name, tmp_path / "back")

    assert next(s3.numbers) > 1, "no upload in parts was begun"
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert s3.uploads == {}


def test_old_backups_of_the_store_go_and_nothing_else_does(
    configure: Configure, sqlite_db: Database, sqlite_url: str, s3: S3Server, clock: MovableClock
) -> None:
    config: Config = configure(REPLYX_DATABASE__URL=sqlite_url, **_settings(s3, EVERY_HOURS="6", KEEP="2"))
    s3.objects["copies/shop/one/somebody-elses.backup"] = b"?"
    backups = Backups(sqlite_db, clock, config)

    made = []
    for _ in range(4):
        made.append(backups.make_due())
        assert backups.make_due() is None, "none is due right after one"
        clock.advance(timedelta(hours=6).total_seconds())

    assert [one.where for one in store_of(config).list()] == [one.place for one in reversed(made[-2:]) if one]
    assert "copies/shop/one/somebody-elses.backup" in s3.objects
