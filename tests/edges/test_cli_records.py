"""Users, keys, assistants, models, dialogs, balances and settings from the command line: as programs use them."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from replyx.cli.exits import ExitCode
from replyx.testing.llm_server import FakeLLM
from tests.support.cli import Cli

_PASSWORD = "a long password 1"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A data directory with one administrator."""
    made = Cli(tmp_path)
    made.json("users", "create", "boss@example.com", "--admin", "--password-stdin", stdin=f"{_PASSWORD}\n")
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def cli_anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Cli:
    """An empty data directory on each kind of database."""
    if request.param == "sqlite":
        return Cli(tmp_path)
    return Cli(tmp_path, REPLYX_DATABASE__URL=request.getfixturevalue("postgres_url"))


def _create(cli: Cli, email: str, *options: str) -> Any:
    return cli.json("users", "create", email, *options, "--password-stdin", stdin=f"{_PASSWORD}\n")


def test_a_user_s_life(cli_anywhere: Cli) -> None:
    cli = cli_anywhere
    made = _create(cli, "Ann@Example.com", "--admin", "--first-name", "Ann")

    assert (made["email"], made["is_admin"], made["first_name"]) == ("ann@example.com", True, "Ann")
    assert made["balance"] == 500.0
    assert cli.json("users", "show", "ANN@example.com") == made == cli.json("users", "show", str(made["id"]))
    assert cli.json("users", "set", "ann@example.com", "--last-name", "Lee")["last_name"] == "Lee"
    assert cli.json("users", "disable", "ann@example.com")["is_active"] is False
    assert cli.json("users", "enable", "ann@example.com")["is_active"] is True
    assert cli.run("users", "passwd", "ann@example.com", "--password-stdin", stdin="another password 2\n").code == 0
    assert [row["email"] for row in cli.json("users", "list")] == ["ann@example.com"]
    assert cli.run("users", "delete", "ann@example.com", "--yes").code == 0
    assert cli.json("users", "list") == []


def test_a_balance_that_is_given_is_exactly_that(cli_anywhere: Cli) -> None:
    assert _create(cli_anywhere, "a@example.com", "--balance", "12.50")["balance"] == 12.5
    assert _create(cli_anywhere, "b@example.com", "--balance", "0")["balance"] == 0.0
    assert cli_anywhere.json("billing", "verify")["ok"] is True


def test_an_e_mail_that_is_taken_is_refused(cli: Cli) -> None:
    code, error = cli.error("users", "create", "BOSS@example.com", "--password-stdin", stdin=f"{_PASSWORD}\n")

    assert (code, error["code"]) == (ExitCode.EXIT_REFUSED, "CONFLICT")


def test_money_is_credited_and_shown_in_the_statement(cli: Cli) -> None:
    assert cli.json("users", "credit", "boss@example.com", "99.99", "--description", "Invoice 7")["balance"] == 599.99

    assert cli.json("billing", "balance", "boss@example.com")["balance"] == 599.99
    rows = cli.json("billing", "statement", "boss@example.com")
    assert [(row["amount"], row["type"]) for row in rows] == [(99.99, "credit"), (500.0, "credit")]
    assert rows[0]["description"] == "Invoice 7"
    assert cli.json("billing", "statement", "boss@example.com", "--type", "debit") == []


def test_lists_tell_people_what_to_do_where_they_are_empty(tmp_path: Path) -> None:
    empty = Cli(tmp_path)

    for group, word in {
        "users": "replyx users create",
        "tokens": "replyx tokens add",
        "assistants": "replyx assistants create",
        "dialogs": "replyx ask",
        "knowledge": "replyx knowledge add",
    }.items():
        done = empty.run(group, "list")
        assert (done.code, done.out) == (0, "")
        assert word in done.err


def test_a_long_list_says_how_to_see_the_rest(cli: Cli) -> None:
    _create(cli, "second@example.com")

    done = cli.run("users", "list", "--limit", "1")

    assert "boss@example.com" in done.out
    assert "second@example.com" not in done.out
    assert "--offset 1" in done.err
    assert [row["email"] for row in cli.json("users", "list", "--offset", "1")] == ["second@example.com"]


def test_a_table_that_is_piped_is_not_cut(cli: Cli) -> None:
    name = "A very long name of an assistant that no narrow terminal would show on one line at all, ever"
    cli.json("assistants", "create", name)

    assert name in cli.run("assistants", "list", COLUMNS="40").out


def test_a_key_s_life(cli: Cli) -> None:
    secret = "sk-test-0123456789abcdef"
    options = ("--base-url", "http://127.0.0.1:9/v1", "--models", "gpt-a, gpt-b", "--priority", "3")
    limits = ("--daily-limit", "10", "--monthly-limit", "100")

    made = cli.json("tokens", "add", "--name", "main", *options, *limits, "--token-stdin", stdin=f"{secret}\n")

    assert (made["model_access"], made["priority"], made["daily_limit"]) == (["gpt-a", "gpt-b"], 3, 10)
    assert secret not in json.dumps(made)
    assert "gpt-b" in [row["name"] for row in cli.json("models", "list")]
    assert cli.json("tokens", "set", "main", "--name", "spare", "--models", "gpt-c")["model_access"] == ["gpt-c"]
    assert cli.json("tokens", "disable", "spare")["is_active"] is False
    assert cli.json("tokens", "enable", str(made["id"]))["is_active"] is True
    assert cli.json("tokens", "test", "spare", expect=ExitCode.EXIT_FAILED)["ok"] is False
    assert cli.run("tokens", "remove", "spare", "--yes").code == 0
    assert cli.json("tokens", "list") == []


def test_a_key_that_works_is_tried_with_success(cli: Cli) -> None:
    with FakeLLM() as server:
        options = ("--base-url", server.base_url, "--models", "gpt-a", "--token-stdin")
        cli.json("tokens", "add", "--name", "main", *options, stdin="sk-test-0123456789abcdef\n")

        tried = cli.json("tokens", "test", "main")
        answered = cli.json("models", "test", "gpt-a")

    assert (tried["ok"], tried["model"]) == (True, "gpt-a")
    assert answered["ok"] is True
    assert answered["text"]


def test_an_assistant_s_life(cli: Cli) -> None:
    made = cli.json(
        "assistants", "create", "Shop", "--website", "--domains", "a.example, *.b.example", "--price", "2.50"
    )

    assert (made["website_integration"], made["allowed_domains"]) == (True, ["a.example", "*.b.example"])
    assert made["price"] == 2.5
    assert made["site_token"] in cli.run("assistants", "show", "shop").out
    changes = ("--name", "Store", "--price", "default", "--threshold", "0.7", "--inactive", "--prompt", "Be kind.")
    changed = cli.json("assistants", "set", "Shop", *changes)
    assert (changed["name"], changed["price"], changed["answer_threshold"]) == ("Store", None, 0.7)
    assert (changed["is_active"], changed["system_prompt"]) == (False, "Be kind.")
    assert cli.json("assistants", "set", "Store", "--threshold", "default")["answer_threshold"] is None
    assert cli.json("assistants", "set", "Store", "--clarify-threshold", "0.35")["clarify_threshold"] == 0.35
    assert [row["name"] for row in cli.json("assistants", "list")] == ["Store"]
    assert cli.run("assistants", "delete", "Store", "--yes").code == 0
    assert cli.json("assistants", "list") == []


def test_an_assistant_belongs_to_the_user_who_is_named(cli: Cli) -> None:
    other = _create(cli, "other@example.com")

    cli.json("assistants", "create", "Theirs", "--user", "other@example.com")

    assert [row["name"] for row in cli.json("assistants", "list", "--user", str(other["id"]))] == ["Theirs"]
    assert cli.json("assistants", "list", "--user", "boss@example.com") == []


def test_two_assistants_of_one_name_are_told_apart_by_id(cli: Cli) -> None:
    ids = [cli.json("assistants", "create", "Shop")["id"] for _ in range(2)]

    code, error = cli.error("assistants", "show", "Shop")

    assert code == ExitCode.EXIT_REFUSED
    assert all(str(number) in error["message"] for number in ids)
    assert cli.json("assistants", "show", str(ids[1]))["id"] == ids[1]


def test_an_assistant_without_an_administrator_says_how_to_make_one(tmp_path: Path) -> None:
    code, error = Cli(tmp_path).error("assistants", "create", "Shop")

    assert code == ExitCode.EXIT_NOT_FOUND
    assert "replyx users create EMAIL --admin" in error["message"]


def test_a_model_file_is_added_listed_and_removed(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "Tiny.gguf"
    file.write_bytes(b"GGUF" + bytes(100))

    assert cli.json("models", "add", str(file)) == {"name": "local/tiny"}
    row = next(row for row in cli.json("models", "list") if row["name"] == "local/tiny")
    assert (row["engine"], Path(row["path"]).is_file()) == ("local", True)
    assert cli.run("models", "remove", "local/tiny", "--yes").code == 0
    assert "local/tiny" not in [row["name"] for row in cli.json("models", "list")]
    assert cli.error("models", "add", str(tmp_path / "none.gguf"))[0] == ExitCode.EXIT_CONFIG


def test_the_settings_in_force_are_shown_with_where_they_came_from(tmp_path: Path) -> None:
    cli = Cli(tmp_path, REPLYX_REDIS__URL="redis://:topsecret@127.0.0.1:1/0", REPLYX_SERVER__PORT="8123")

    shown = cli.json("config", "show")

    assert shown["server.port"] == {"value": 8123, "origin": "REPLYX_SERVER__PORT"}
    assert shown["redis.url"]["value"] == "[secret]"
    assert shown["server.host"] == {"value": "127.0.0.1", "origin": "default"}
    assert "topsecret" not in cli.run("config", "show", "--all").out
    assert cli.json("config", "check")["ok"] is True


def test_the_units_have_this_installation_s_paths(cli: Cli) -> None:
    done = cli.run("systemd", "print")
    several = {"REPLYX_REDIS__URL": "redis://127.0.0.1:1/0", "REPLYX_SERVER__PORT": "8123"}
    parted = cli.run("systemd", "print", **several)

    assert (done.code, parted.code) == (0, 0)
    assert "/etc/systemd/system/replyx.service" in done.out
    assert "replyx up" in done.out
    for unit in ("replyx.target", "replyx-server.service", "replyx-worker@.service", "replyx-bots.service"):
        assert f"/etc/systemd/system/{unit}" in parted.out
    assert "ListenStream=127.0.0.1:8123" in parted.out
    assert f'Environment="REPLYX_DATA_DIR={cli.data_dir}"' in done.out
    # systemd gives its own directory to the user that it makes; one's own is given by the start.
    assert f'--reference=%S/replyx/. "{cli.data_dir}"' in done.out
    assert "ExecStartPre" not in cli.run("systemd", "print", "--user").out
    assert cli.run("systemd", "print", "replyx.target", **several).out.startswith("#")
    assert cli.run("systemd", "print", "nothing.service").code == ExitCode.EXIT_NOT_FOUND


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_database_is_made_and_checked(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    if kind == "sqlite":
        cli = Cli(tmp_path)
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.create()
        # `db create` has to make it.
        server.drop(url)
        request.addfinalizer(lambda: server.drop(url))
        cli = Cli(tmp_path, REPLYX_DATABASE__URL=url)

    assert cli.run("db", "create").code == 0
    assert cli.json("db", "migrate") == {"applied": []}
    assert cli.json("db", "status")["fits"] is True
    checked = cli.json("db", "check")
    assert checked["ok"] is True
    assert {"database", "durability", "schema", "integrity", "ledger"} == {row["name"] for row in checked["checks"]}


def test_a_schema_that_is_not_there_yet_is_no_fit(tmp_path: Path) -> None:
    status = Cli(tmp_path).json("db", "status", expect=ExitCode.EXIT_SCHEMA)

    assert status["applied"] == []
    assert status["pending"][0] == "0001_accounts"


def test_a_broken_file_is_found_by_the_check(cli: Cli) -> None:
    file = cli.data_dir / "replyx.db"
    whole = bytearray(file.read_bytes())
    # The first page has the schema; everything after it becomes noise.
    whole[4096:] = b"\xa5" * (len(whole) - 4096)
    file.write_bytes(whole)

    done = cli.run("db", "check", "--json")

    assert done.code in (ExitCode.EXIT_FAILED, ExitCode.EXIT_DATABASE)
    assert "Traceback" not in done.err


def test_init_writes_what_is_missing_and_run_again_changes_nothing(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    settings = tmp_path / "own.toml"
    command = ("init", "--yes", "--config", str(settings), "--admin-email", "boss@example.com")

    first = cli.json(*command)
    before = {path: path.stat().st_mtime_ns for path in (settings, cli.data_dir / "secret.key")}
    again = cli.json(*command)

    assert (first["config_written"], first["secret_key_made"], first["admin_made"]) == (True, True, True)
    assert first["migrations_applied"]
    assert first["admin_email"] == again["admin_email"] == "boss@example.com"
    assert len(first["password"]) >= 12
    assert (again["config_written"], again["secret_key_made"], again["admin_made"]) == (False, False, False)
    assert (again["migrations_applied"], again["password"]) == ([], None)
    assert first["migrations"] == again["migrations"] == len(first["migrations_applied"])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [stat.S_IMODE(path.stat().st_mode) for path in before] == [0o600, 0o600]


def test_a_data_directory_given_to_init_stays_the_same_one_wherever_a_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Cli(tmp_path).json("--config", "own.toml", "--data-dir", "var", "init", "--yes")

    written = tomllib.loads((tmp_path / "own.toml").read_text(encoding="utf-8"))

    assert written["paths"]["data_dir"] == str(tmp_path / "var")


def test_init_sets_what_it_was_given(tmp_path: Path, empty_postgres_url: str) -> None:
    cli, settings = Cli(tmp_path), tmp_path / "own.toml"
    options = ("--database-url", empty_postgres_url, "--redis-url", "redis://127.0.0.1:6379/3")

    done = cli.json("init", "--config", str(settings), *options, "--password-stdin", stdin=f"{_PASSWORD}\n")

    assert done["password"] is None
    shown = cli.json("config", "show", "--config", str(settings))
    assert shown["database.url"] == {"value": "[secret]", "origin": str(settings)}
    assert shown["redis.url"]["origin"] == str(settings)
    assert f'url = "{empty_postgres_url}"' in settings.read_text()
    assert cli.json("users", "list", "--config", str(settings))[0]["is_admin"] is True
