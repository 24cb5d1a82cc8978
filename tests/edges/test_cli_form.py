"""The command line's form: help, language, options, exit codes, the page that is written from it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import typer
import typer.main

from replyx import __version__
from replyx.cli.commands import COMMANDS
from replyx.cli.exits import ExitCode
from replyx.cli.main import root
from replyx.cli.manual import render_man
from replyx.cli.reference import render_markdown
from tests.support.cli import Cli
from tests.support.documents import REPOSITORY
from tests.support.processes import Box


def test_docs_cli_md_is_what_the_commands_say() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")

    assert page == render_markdown(), "run: make docs"


def test_the_man_page_is_what_the_commands_say() -> None:
    page = (REPOSITORY / "docs" / "replyx.1").read_text(encoding="utf-8")

    assert page == render_man(), "run: make docs"
    requests = {"TH", "SH", "SS", "TP", "PP", "RS", "RE", "B", "I", "BR", "RI", '\\"'}
    assert [line for line in page.splitlines() if line.startswith(".") and line[1:].split()[0] not in requests] == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("us", "users"),
        ("users cr", "create credit"),
        ("users create --pass", "--password-stdin"),
        ("--data-dir x db back", "backup backups"),
        ("systemd install --", "--user --to --now --json --help"),
        ("db backup ", ""),
    ],
)
def test_bash_offers_what_there_is(tmp_path: Path, typed: str, offered: str) -> None:
    script = Cli(tmp_path).run("completion", "bash").out
    words = " ".join(f"'{word}'" for word in typed.split(" "))
    asked = f'COMP_WORDS=(replyx {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _replyx; echo "${{COMPREPLY[*]}}"'

    done = subprocess.run(["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=True)

    assert (done.stdout.strip(), done.stderr) == (offered, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_every_command_too(tmp_path: Path, shell: str) -> None:
    script = Cli(tmp_path).run("completion", shell).out

    assert [name for name in COMMANDS if name not in script] == []
    # An apostrophe in a sentence would end what is quoted.
    assert script.count("'") % 2 == 0


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    command = typer.main.get_command(root)
    context = typer.Context(command)

    said = {name: command.get_command(context, name).help for name in COMMANDS}  # type: ignore[attr-defined]

    assert {name: (text or "").splitlines()[0] for name, text in said.items()} == {
        name: sentence for name, (_, sentence) in COMMANDS.items()
    }


def test_every_exit_code_is_in_the_documentation() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")

    assert [code.name for code in ExitCode if f"| {int(code)} | `{code.name}` |" not in page] == []


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert Cli(tmp_path).run("--version").out == f"replyx {__version__}\n"


@pytest.mark.parametrize("group", ["", "users", "db"])
def test_a_group_alone_says_what_it_can_do_and_is_no_success(tmp_path: Path, group: str) -> None:
    done = Cli(tmp_path).run(*group.split())

    assert (done.code, done.out) == (ExitCode.EXIT_USAGE, "")
    assert "Commands:" in done.err


def test_a_mistyped_command_gets_a_suggestion(tmp_path: Path) -> None:
    done = Cli(tmp_path).run("user", "list")

    assert done.code == ExitCode.EXIT_USAGE
    assert "Did you mean 'users'" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [("users", "show"), ("users", "list", "--limit", "0"), ("users", "list", "--nothing"), ("dialogs", "show", "x")],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = Cli(tmp_path).run(*arguments)

    assert (done.code, done.out) == (ExitCode.EXIT_USAGE, "")
    assert len(done.err.splitlines()) == 1
    assert f"replyx {arguments[0]} {arguments[1]} --help" in done.err


@pytest.mark.parametrize("before", [True, False])
def test_the_data_directory_may_stand_before_and_behind_the_command(tmp_path: Path, before: bool) -> None:
    option, command = ("--data-dir", str(tmp_path / "elsewhere")), ("config", "check")

    done = Cli(tmp_path).json(*(option + command if before else command + option))

    assert done["data_dir"] == str(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "Нет ассистента"),
        ({"LC_ALL": "C", "LANG": "ru_RU.UTF-8"}, "No assistant"),
        ({"LC_MESSAGES": "ru_RU.UTF-8", "LANG": "en_US.UTF-8"}, "Нет ассистента"),
        ({"REPLYX_LANG": "ru", "LC_ALL": "en_US.UTF-8"}, "Нет ассистента"),
        ({"REPLYX_LANG": "en", "LC_ALL": "ru_RU.UTF-8"}, "No assistant"),
        ({}, "No assistant"),
    ],
)
def test_people_are_spoken_to_in_the_language_of_the_locale(
    tmp_path: Path, environment: dict[str, str], word: str
) -> None:
    nothing = dict.fromkeys(("REPLYX_LANG", "LC_ALL", "LC_MESSAGES", "LANG"), "")

    done = Cli(tmp_path, **{**nothing, **environment}).run("assistants", "show", "Nobody")

    assert done.code == ExitCode.EXIT_NOT_FOUND
    assert word in done.err


def test_with_json_an_error_is_one_line_of_json_on_standard_error(tmp_path: Path) -> None:
    done = Cli(tmp_path).run("users", "show", "nobody@example.com", "--json")

    assert (done.code, done.out) == (ExitCode.EXIT_NOT_FOUND, "")
    assert json.loads(done.err) == {
        "error": {
            "code": "NOT_FOUND",
            "message": "No user nobody@example.com. All of them: replyx users list",
            "details": {},
        }
    }


def test_a_fault_of_the_program_is_one_line_with_what_to_do(tmp_path: Path, box: Box) -> None:
    # A module that cannot be imported stands for any fault that nobody foresaw.
    (box.folder / "broken" / "peewee").mkdir(parents=True)
    (box.folder / "broken" / "peewee" / "__init__.py").write_text("raise RuntimeError('the moon')")
    path = f"{box.folder / 'broken'}:{box.environment['PYTHONPATH']}"

    done = box.run("users", "list", PYTHONPATH=path)
    loud = box.run("users", "list", PYTHONPATH=path, REPLYX_LOG__LEVEL="debug")

    assert (done.code, done.out) == (ExitCode.EXIT_INTERNAL, "")
    assert re.fullmatch(r"replyx: internal error: RuntimeError: the moon\. .*REPLYX_LOG__LEVEL=debug\n", done.err)
    assert loud.code == ExitCode.EXIT_INTERNAL
    assert "Traceback" in loud.err


def test_a_reader_that_stops_reading_is_no_error(box: Box) -> None:
    script = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'replyx', 'config', 'show', '--all', '--json']\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)\n"
        "child.stdout.close()\n"
        "print(repr(child.stderr.read()))\n"
        "child.wait()"
    )

    assert box.start_python("-c", script).wait().out == "''\n"
