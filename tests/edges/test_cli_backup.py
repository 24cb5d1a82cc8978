"""`replyx db backup|restore|move` as administrators use them: beside a running ReplyX, on a new machine, in a hurry."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replyx.cli.exits import ExitCode
from tests.support.processes import Box, open_box

_HANDBOOK = "# Returns\n\nYou can return goods within 14 days of the purchase if you keep the receipt.\n"
_QUESTION = "How many days do I have to return goods?"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an administrator and an assistant that knows its handbook."""
    with open_box(tmp_path_factory.mktemp("template")) as box:
        assert box.run("init", "--yes", "--admin-email", "boss@example.com").code == 0
        (box.folder / "handbook.md").write_text(_HANDBOOK, encoding="utf-8")
        _json(box, "knowledge", "add", "1", "handbook.md", "--wait")
        yield box.folder


@pytest.fixture
def shop(box: Box, template: Path) -> Box:
    shutil.copytree(template, box.folder, dirs_exist_ok=True)
    return box


def _json(box: Box, *arguments: str, stdin: str = "") -> Any:
    done = box.run(*arguments, "--json", stdin=stdin)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_what_was_backed_up_beside_a_running_replyx_answers_on_a_new_machine(
    shop: Box, tmp_path: Path, empty_postgres_url: str
) -> None:
    running = shop.start("up", "--port", "0")
    running.wait_for_line(r"^ready ")
    made = _json(shop, "db", "backup", str(tmp_path), "--passphrase-stdin", stdin="верный пароль\n")
    refused = shop.run("db", "restore", made["file"], "--replace", "--yes")
    running.terminate()

    with open_box(tmp_path / "new", REPLYX_DATABASE__URL=empty_postgres_url) as new:
        back = _json(new, "db", "restore", made["file"], "--passphrase-stdin", stdin="верный пароль\n")
        answer = _json(new, "ask", "1", _QUESTION)
        checked = _json(new, "db", "check")

    assert refused.code == ExitCode.EXIT_RUNNING
    assert (back["rows"], back["files"], back["same_key"]) == (made["rows"], 1, True)
    assert "14 days" in answer["text"]
    assert checked["ok"] is True


def test_data_is_replaced_only_when_asked_and_the_replaced_file_is_kept(shop: Box) -> None:
    made = _json(shop, "db", "backup")
    _json(shop, "users", "create", "later@example.com", "--password-stdin", stdin="correct-horse-7\n")

    refused = shop.run("db", "restore", made["file"])
    kept = len(_json(shop, "users", "list"))
    _json(shop, "db", "restore", made["file"], "--replace", "--yes")

    assert refused.code == ExitCode.EXIT_REFUSED
    assert "--replace" in refused.err
    assert kept == 2
    assert [user["email"] for user in _json(shop, "users", "list")] == ["boss@example.com"]
    assert (shop.data_dir / "replyx.db.before-restore").is_file()
    assert "14 days" in _json(shop, "ask", "1", _QUESTION)["text"]


def test_a_restore_that_is_killed_leaves_what_was_there(shop: Box) -> None:
    made = _json(shop, "db", "backup")
    _json(shop, "users", "create", "later@example.com", "--password-stdin", stdin="correct-horse-7\n")
    fresh = shop.data_dir / "replyx.db.restoring"

    restoring = shop.start("db", "restore", made["file"], "--replace", "--yes")
    deadline = time.monotonic() + 60
    while not fresh.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    restoring.kill()

    emails = {user["email"] for user in _json(shop, "users", "list")}
    assert "boss@example.com" in emails
    assert _json(shop, "db", "check")["ok"] is True
    _json(shop, "db", "restore", made["file"], "--replace", "--yes")
    assert not fresh.exists()


def test_a_damaged_backup_says_so_in_one_line(shop: Box) -> None:
    made = _json(shop, "db", "backup", "copy.backup")
    content = Path(made["file"]).read_bytes()
    Path(made["file"]).write_bytes(content[:-200])

    done = shop.run("db", "restore", "copy.backup", "--replace", "--yes")
    missing = shop.run("db", "restore", "none.backup")

    assert (done.code, missing.code) == (ExitCode.EXIT_FAILED, ExitCode.EXIT_FAILED)
    assert done.err.count("\n") == 1
    assert "copy.backup" in done.err
    assert "none.backup" in missing.err


def test_sqlite_moves_to_postgresql_and_answers_from_there(shop: Box, empty_postgres_url: str) -> None:
    rows = _json(shop, "db", "move", "--url-stdin", stdin=f"{empty_postgres_url}\n")["rows"]

    shop.environment["REPLYX_DATABASE__URL"] = empty_postgres_url
    assert (rows["users"], rows["documents"]) == (1, 1)
    assert "14 days" in _json(shop, "ask", "1", _QUESTION)["text"]
    assert _json(shop, "db", "check")["ok"] is True


def test_an_upgrade_of_what_fits_changes_nothing_and_one_of_nothing_makes_nothing(shop: Box, tmp_path: Path) -> None:
    left = sorted(path.name for path in shop.data_dir.iterdir())
    planned = _json(shop, "upgrade", "--dry-run")
    done = _json(shop, "upgrade")

    with open_box(tmp_path / "empty") as empty:
        refused = empty.run("upgrade")
        assert not empty.data_dir.exists()

    assert (planned["needed"], done["needed"], planned["migrations"]) == (False, False, [])
    assert sorted(path.name for path in shop.data_dir.iterdir()) == left
    assert (refused.code, "replyx init" in refused.err) == (ExitCode.EXIT_CONFIG, True)
