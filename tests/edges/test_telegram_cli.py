"""Telegram from the command line: the operators' group of an assistant, links of accounts, the state of deliveries."""

from __future__ import annotations

from pathlib import Path

import pytest

from replyx.app import open_app
from replyx.cli.exits import ExitCode
from replyx.types import SYSTEM, Channel, Contact
from tests.conftest import Configure
from tests.support.cli import Cli

_PASSWORD = "a long password 1"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A data directory with one administrator and one assistant."""
    made = Cli(tmp_path)
    made.json("users", "create", "boss@example.com", "--admin", "--password-stdin", stdin=f"{_PASSWORD}\n")
    made.json("assistants", "create", "Help")
    return made


def test_an_assistant_is_bound_to_an_operators_group_and_freed_of_it(cli: Cli) -> None:
    assert cli.json("assistants", "show", "1")["telegram_group_id"] is None
    assert cli.json("assistants", "set", "1", "--telegram-group", "-1001234567890")["telegram_group_id"] == (
        -1001234567890
    )
    assert "-1001234567890" in cli.run("assistants", "show", "1").out
    assert cli.json("assistants", "set", "1", "--telegram-group", "none")["telegram_group_id"] is None


@pytest.mark.parametrize("group", ["123", "0", "@group", "-99999999999999999999", ""])
def test_what_is_no_group_is_refused_with_what_to_write(cli: Cli, group: str) -> None:
    done = cli.run("assistants", "set", "1", "--telegram-group", group)
    assert done.code != 0
    assert "group" in done.err


def test_a_link_code_is_shown_once_with_what_to_do(cli: Cli) -> None:
    shown = cli.json("users", "link-telegram", "boss@example.com")
    assert (shown["email"], shown["minutes"], len(shown["code"])) == ("boss@example.com", 15, 10)
    done = cli.run("users", "link-telegram", "boss@example.com")
    assert done.out.strip() != shown["code"]
    assert f"/link {done.out.strip()}" in done.err
    assert cli.json("users", "link-telegram", "boss@example.com", "--remove")["code"] is None
    code, error = cli.error("users", "link-telegram", "nobody@example.com")
    assert (code, error["code"]) == (ExitCode.EXIT_NOT_FOUND, "NOT_FOUND")


def test_a_dialog_shows_how_far_its_messages_are(cli: Cli, configure: Configure) -> None:
    app = open_app(configure(REPLYX_DATA_DIR=str(cli.data_dir)))
    contact = Contact(telegram_chat_id="42", locale="ru")
    dialog = app.sessions.start(app.assistants.get(SYSTEM, 1), Channel.TELEGRAM, contact)
    app.deliveries.notice(dialog, "Здравствуйте")
    parcel = app.deliveries.claim(dialog)
    assert parcel is not None
    app.deliveries.failed(parcel, "Forbidden: bot was blocked by the user", is_blocked=True)
    app.close()

    assert (
        "assistant · telegram: failed · Forbidden: bot was blocked by the user"
        in cli.run("dialogs", "show", str(dialog)).out
    )
    assert cli.json("dialogs", "show", str(dialog))["messages"][0]["delivery"]["state"] == "failed"
