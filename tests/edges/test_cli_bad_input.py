"""What cannot work ends in one clear line and a named exit code, never in a traceback."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from replyx.cli.exits import ExitCode
from replyx.storage.database import Database
from replyx.storage.schema import MIGRATIONS
from tests.support.cli import Cli
from tests.support.postgres import PostgresServer
from tests.support.processes import Box, Finished
from tests.support.programs import free_port


def _is_one_line(done: Finished, code: ExitCode, *words: str) -> None:
    """Nothing on standard output, one line on standard error that has all of `words`."""
    assert done.code == code, done.err
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    assert [word for word in words if word not in done.err] == [], done.err


def test_a_port_in_use(box: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = box.run("up", "--port", port)

    _is_one_line(done, ExitCode.EXIT_PORT, port, "--port")
    # Nothing was made, so the password of the first start is not lost.
    assert not (box.data_dir / "replyx.db").exists()


def test_an_address_that_is_not_this_machine_s(box: Box) -> None:
    _is_one_line(box.run("up", "--host", "nowhere.invalid"), ExitCode.EXIT_PORT, "nowhere.invalid", "server.host")


@pytest.mark.parametrize("command", [("up",), ("users", "list"), ("init", "--yes")])
def test_a_data_directory_that_cannot_be_written_to(box: Box, command: tuple[str, ...]) -> None:
    # A path below a file: not even root can make that.
    (box.folder / "file").touch()
    folder = box.folder / "file" / "data"

    done = box.run(*command, "--data-dir", str(folder))

    _is_one_line(done, ExitCode.EXIT_CONFIG, str(folder), "--data-dir")


def test_a_broken_settings_file_is_named_with_its_line(box: Box) -> None:
    (box.folder / "replyx.toml").write_text("[server]\nport = 8000\nhost = = 1\n")

    _is_one_line(box.run("up"), ExitCode.EXIT_CONFIG, "replyx.toml", "line 3")


def test_an_unknown_setting_gets_a_suggestion(box: Box) -> None:
    (box.folder / "replyx.toml").write_text("[server]\nprot = 8000\n")

    _is_one_line(box.run("config", "check"), ExitCode.EXIT_CONFIG, "replyx.toml", "server.prot", "server.port")


def test_an_unknown_variable_gets_a_suggestion(tmp_path: Path) -> None:
    done = Cli(tmp_path, REPLYX_SERVER__PROT="1").run("config", "check")

    _is_one_line(done, ExitCode.EXIT_CONFIG, "REPLYX_SERVER__PROT", "REPLYX_SERVER__PORT")


def test_a_value_of_the_wrong_type(tmp_path: Path) -> None:
    done = Cli(tmp_path, REPLYX_SERVER__PORT="many").run("config", "check")

    _is_one_line(done, ExitCode.EXIT_CONFIG, "REPLYX_SERVER__PORT", "many")


def test_a_settings_file_that_is_not_there(tmp_path: Path) -> None:
    _is_one_line(Cli(tmp_path).run("config", "check", "--config", "nowhere.toml"), ExitCode.EXIT_CONFIG, "nowhere.toml")


@pytest.mark.parametrize("command", [("up", "--port", "0"), ("users", "list"), ("db", "migrate"), ("db", "status")])
def test_a_database_server_that_is_not_there(box: Box, command: tuple[str, ...]) -> None:
    url = f"postgresql://replyx:topsecret@127.0.0.1:{free_port()}/replyx"

    done = box.run(*command, REPLYX_DATABASE__URL=url)

    _is_one_line(done, ExitCode.EXIT_DATABASE, "127.0.0.1")
    assert "topsecret" not in done.err


def test_a_database_that_the_server_does_not_have(tmp_path: Path, postgres_server: PostgresServer) -> None:
    url = postgres_server.create()
    postgres_server.drop(url)

    done = Cli(tmp_path, REPLYX_DATABASE__URL=url).run("users", "list")

    _is_one_line(done, ExitCode.EXIT_DATABASE, "does not exist")


@pytest.mark.parametrize("url", ["mysql://a:b@host/name", "sqlite://", "nonsense"])
def test_a_database_url_that_is_of_no_database(tmp_path: Path, url: str) -> None:
    _is_one_line(Cli(tmp_path, REPLYX_DATABASE__URL=url).run("users", "list"), ExitCode.EXIT_CONFIG)


def test_a_database_file_that_is_none(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli.data_dir.mkdir()
    (cli.data_dir / "replyx.db").write_bytes(b"this is a letter to my aunt, not a database " * 100)

    _is_one_line(cli.run("users", "list"), ExitCode.EXIT_DATABASE, "not a database")


def test_an_outdated_schema_names_the_command_to_run(tmp_path: Path, postgres_url: str) -> None:
    with _opened(postgres_url) as database:
        newest = sorted(MIGRATIONS.glob("0*.py"))[-1].stem
        database.native.execute_sql("DELETE FROM schema_migration WHERE name = %s", (newest,))

    done = Cli(tmp_path, REPLYX_DATABASE__URL=postgres_url).run("users", "list")

    _is_one_line(done, ExitCode.EXIT_SCHEMA, "replyx db migrate")


def test_a_newer_schema_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    assert cli.run("db", "create").code == 0
    with closing(sqlite3.connect(cli.data_dir / "replyx.db")) as rows, rows:
        rows.execute("UPDATE schema_migration SET name = '9999_from_the_future' WHERE id = 1")

    _is_one_line(cli.run("users", "list"), ExitCode.EXIT_SCHEMA, "9999_from_the_future", "pip install --upgrade replyx")
    _is_one_line(cli.run("db", "migrate"), ExitCode.EXIT_SCHEMA, "9999_from_the_future")


@pytest.mark.parametrize(
    "command",
    [("ask", "Nobody", "Hello?"), ("assistants", "show", "Nobody"), ("knowledge", "search", "Nobody", "Hello?")],
)
def test_a_wrong_assistant_s_name_names_the_command_that_lists_them(tmp_path: Path, command: tuple[str, ...]) -> None:
    _is_one_line(Cli(tmp_path).run(*command), ExitCode.EXIT_NOT_FOUND, "Nobody", "replyx assistants list")


@pytest.mark.parametrize(
    "command", [("dialogs", "show", "7"), ("dialogs", "delete", "7", "--yes"), ("tokens", "test", "7")]
)
def test_what_does_not_exist_is_not_found(tmp_path: Path, command: tuple[str, ...]) -> None:
    _is_one_line(Cli(tmp_path).run(*command), ExitCode.EXIT_NOT_FOUND)


def test_a_document_that_is_not_there_stops_before_anything_is_stored(tmp_path: Path) -> None:
    cli = _with_assistant(tmp_path)
    (tmp_path / "real.md").write_text("# Hours\n\nWe are open from nine to five.\n")

    done = cli.run("knowledge", "add", "Shop", str(tmp_path / "real.md"), str(tmp_path / "missing.pdf"))

    _is_one_line(done, ExitCode.EXIT_NOT_FOUND, "missing.pdf")
    assert cli.json("knowledge", "list") == []


def test_a_folder_without_documents(tmp_path: Path) -> None:
    cli = _with_assistant(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    _is_one_line(
        cli.run("knowledge", "add", "Shop", str(tmp_path / "photos")), ExitCode.EXIT_NOT_FOUND, "photos", ".pdf"
    )


def test_files_that_cannot_be_used_say_why_and_the_others_are_added(tmp_path: Path) -> None:
    cli = _with_assistant(tmp_path)
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "empty.txt").touch()
    (folder / "false.pdf").write_text("I am no PDF")
    (folder / "real.md").write_text("# Hours\n\nWe are open from nine to five.\n")

    added = cli.json("knowledge", "add", "Shop", str(folder), expect=ExitCode.EXIT_FAILED)

    assert {row["filename"]: row["status"] for row in added} == {
        "empty.txt": "failed",
        "false.pdf": "failed",
        "real.md": "processing",
    }
    reasons = {row["filename"]: row["error"] for row in added}
    assert reasons["empty.txt"]["code"] == "VALIDATION_ERROR"
    assert "empty" in reasons["empty.txt"]["message"]
    assert reasons["false.pdf"]["code"] == "UNSUPPORTED_FORMAT"
    assert [row["filename"] for row in cli.json("knowledge", "list")] == ["real.md"]


def test_a_folder_that_may_not_be_read_says_so(box: Box) -> None:
    assert box.run("init", "--yes").code == 0
    (box.folder / "docs" / "private").mkdir(parents=True)
    (box.folder / "docs" / "real.md").write_text("# Hours\n\nWe are open from nine to five.\n")
    (box.folder / "docs" / "private").chmod(0o000)

    # Root may read everything, unless it gives up that right.
    rights = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []
    command = [*rights, sys.executable, "-m", "replyx", "knowledge", "add", "1", "docs", "--json"]
    done = subprocess.run(
        command, cwd=box.folder, env=box.environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == ExitCode.EXIT_FAILED, done.stderr
    rows = {row["filename"]: row for row in json.loads(done.stdout)}
    assert {name: row["status"] for name, row in rows.items()} == {"private": "failed", "real.md": "processing"}
    assert "Permission denied" in rows["private"]["error"]["message"]


def test_values_that_cannot_be_are_refused_with_the_field(tmp_path: Path) -> None:
    cli = _with_assistant(tmp_path)

    bad = {
        "a weak password": ("users", "create", "a@example.com", "--password-stdin"),
        "an e-mail that is none": ("users", "create", "nonsense", "--password-stdin"),
        "an unknown model": ("assistants", "set", "Shop", "--model", "gpt-99"),
        "a threshold over one": ("assistants", "set", "Shop", "--threshold", "7"),
        "a sum finer than a kopeck": ("users", "credit", "boss@example.com", "0.001"),
        "a telegram token that is none": ("assistants", "set", "Shop", "--telegram-token-stdin"),
        "a key without models": ("tokens", "add", "--name", "x", "--models", ",", "--token-stdin"),
    }
    ended = {name: cli.run(*command, stdin="12345678\n") for name, command in bad.items()}

    assert {name: done.code for name, done in ended.items()} == dict.fromkeys(bad, ExitCode.EXIT_REFUSED)
    assert {name: len(done.err.splitlines()) for name, done in ended.items()} == dict.fromkeys(bad, 1)
    assert "extractive" in ended["an unknown model"].err


@pytest.mark.parametrize(
    "command",
    [
        ("users", "create", "a@example.com"),
        ("users", "create", "a@example.com", "--password-stdin"),
        ("tokens", "add", "--name", "x", "--models", "m", "--token-stdin"),
        ("users", "delete", "boss@example.com"),
    ],
)
def test_a_secret_or_a_consent_that_is_missing_is_asked_for_by_its_flag(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = _with_assistant(tmp_path).run(*command)

    _is_one_line(done, ExitCode.EXIT_USAGE, "--")


def _with_assistant(folder: Path) -> Cli:
    """A data directory with an administrator and an assistant named Shop."""
    cli = Cli(folder)
    made = cli.run("users", "create", "boss@example.com", "--admin", "--password-stdin", stdin="a long password 1\n")
    assert made.code == 0, made.err
    assert cli.run("assistants", "create", "Shop").code == 0
    return cli


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url, pool=2, timeout=5)
    try:
        with database.connection():
            yield database
    finally:
        database.close()
