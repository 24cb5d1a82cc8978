"""`replyx doctor` beyond the machine itself: keys, bots, addresses, TLS, an upgrade that was broken off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from replyx.backup.upgrading import STATE
from replyx.cli.exits import ExitCode
from replyx.storage.database import Database
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.testing.s3_server import serving
from tests.support.cli import Cli

_KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    assert made.run("init", "--yes").code == 0
    return made


def _checks(cli: Cli, **environment: str) -> dict[str, Any]:
    found = json.loads(cli.run("doctor", "--json", **environment).out)
    return {check["name"]: check for check in found["checks"]}


def _add_key(cli: Cli, name: str, base_url: str) -> int:
    flags = ("--name", name, "--base-url", base_url, "--models", "m", "--token-stdin")
    return int(cli.json("tokens", "add", *flags, stdin=_KEY)["id"])


def test_each_key_has_its_line_and_each_api_is_reached(cli: Cli) -> None:
    with FakeLLM(models=["m"]) as llm, serving() as gone:
        gone_url = gone.url
        good, off = _add_key(cli, "good", llm.base_url), _add_key(cli, "spare", f"{gone_url}/v1")
        cli.run("tokens", "disable", str(off))
        found = _checks(cli)
        cli.run("tokens", "enable", str(off))
    after = _checks(cli)

    origin = llm.base_url.removesuffix("/v1")
    assert (found["AI key good"]["state"], found["AI key spare"]["state"]) == ("ok", "warn")
    assert found["AI key spare"]["mend"] == f"replyx tokens enable {off}"
    assert found[origin]["state"] == "ok"
    assert gone_url not in found, "what no active key calls is not asked"
    assert good != off
    assert (after[gone_url]["state"], after[gone_url]["mend"]) == ("fail", f"curl -v {gone_url}")
    assert _KEY not in json.dumps([found, after])


def test_an_api_that_refuses_a_key_is_a_fault_and_is_not_asked_offline(cli: Cli) -> None:
    with FakeLLM(models=["m"]) as llm:
        llm.by_key[_KEY] = Scenario(status=401)
        number = _add_key(cli, "old", llm.base_url)
        found = _checks(cli)
        stored = json.loads(cli.run("doctor", "--offline", "--json").out)["checks"]

    check = found["AI key old"]
    assert (check["state"], check["mend"]) == ("fail", f"replyx tokens set {number} --token-stdin")
    assert "401" in check["text"]
    assert {row["name"]: row["state"] for row in stored}["AI key old"] == "ok"
    assert llm.base_url.removesuffix("/v1") not in {row["name"] for row in stored}
    assert _KEY not in json.dumps([found, stored])


def test_a_model_that_the_api_does_not_list_is_named(cli: Cli) -> None:
    with FakeLLM(models=["another"]) as llm:
        number = _add_key(cli, "new", llm.base_url)
        check = _checks(cli)["AI key new"]

    assert (check["state"], check["mend"]) == ("warn", f"replyx tokens set {number} --models A,B")
    assert check["text"].endswith(": m")


def test_a_name_that_nobody_knows_is_told_as_that(cli: Cli) -> None:
    _add_key(cli, "lost", "https://no-such-name.invalid/v1")

    check = _checks(cli)["https://no-such-name.invalid"]

    assert (check["state"], check["mend"]) == ("fail", "getent hosts no-such-name.invalid")


def test_each_bot_has_its_line(cli: Cli) -> None:
    assistant = str(cli.json("assistants", "list")[0]["id"])
    cli.run("assistants", "set", assistant, "--telegram-token-stdin", stdin=f"123456789:{'A' * 35}\n")

    check = _checks(cli)[f"bot {assistant}"]

    assert (check["state"], check["mend"]) == ("warn", "replyx bots status")


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({}, "ok"),
        ({"REPLYX_SERVER__HOST": "0.0.0.0"}, "warn"),
        ({"REPLYX_SERVER__PUBLIC_URL": "http://help.example.com"}, "warn"),
        ({"REPLYX_SERVER__PUBLIC_URL": "https://127.0.0.1:9"}, "fail"),
    ],
)
def test_tls_in_front_is_looked_for_where_others_are_to_come(cli: Cli, environment: dict[str, str], state: str) -> None:
    assert _checks(cli, **environment)["TLS"]["state"] == state


def test_an_upgrade_that_was_broken_off_is_a_fault_with_its_command(cli: Cli) -> None:
    (cli.data_dir / STATE).write_text('{"step": "migrate"}', encoding="utf-8")

    done = cli.run("doctor", "--json")

    check = {row["name"]: row for row in json.loads(done.out)["checks"]}["upgrade"]
    assert (done.code, check["mend"]) == (ExitCode.EXIT_FAILED, "replyx upgrade")


def test_settings_with_a_secret_that_others_can_read_are_a_fault(cli: Cli, tmp_path: Path) -> None:
    settings = tmp_path / "replyx.toml"
    settings.write_text('[metrics]\ntoken = "not-for-everybody"\n', encoding="utf-8")
    settings.chmod(0o644)
    loose = _checks(cli)["settings"]
    settings.chmod(0o600)

    assert (loose["state"], loose["mend"]) == ("fail", f"chmod 600 {settings}")
    assert "not-for-everybody" not in json.dumps(loose)
    assert _checks(cli)["settings"]["state"] == "ok"


def test_the_clock_is_compared_with_the_databases(postgres_db: Database, sqlite_db: Database) -> None:
    assert abs(postgres_db.seconds_ahead()) < 60
    assert sqlite_db.seconds_ahead() == 0.0
