"""docs/cli.md: every command with its help, and the exit codes, written from the commands themselves."""

from __future__ import annotations

import re
from typing import Any

import typer
import typer.main

from replyx.cli.commands import COMMANDS
from replyx.cli.exits import ExitCode

_HEAD = """# Command line

Results go to standard output; hints, progress, logs and errors to standard error. With `--json` a result is one JSON
document, a list is an array, and an error is one line `{"error": {"code", "message", "details"}}` on standard error.
People are spoken to in Russian where the locale (`LC_ALL`, `LC_MESSAGES`, `LANG`) is Russian or `REPLYX_LANG=ru`, else
in English. Secrets are read from standard input (`--password-stdin`, `--token-stdin`) or asked for on the terminal,
never taken from arguments. `--config` and `--data-dir` may stand before or behind a command.

This page is written from the commands by `make docs`; a test compares them."""


def render_markdown() -> str:
    """The whole of docs/cli.md."""
    from replyx.cli.main import root

    out = [_HEAD, "", "## Exit codes", "", "| code | name | meaning |", "|---|---|---|"]
    out += [f"| {int(code)} | `{code.name}` | {code.meaning} |" for code in ExitCode]
    command = typer.main.get_command(root)
    with typer.Context(command, info_name="replyx", **_FORM) as context:
        out += _block("replyx", context)
        for name in COMMANDS:
            found = command.get_command(context, name)  # type: ignore[attr-defined]
            out += _described(found, name, context)
    return "\n".join(out) + "\n"


#: The same on every terminal.
_FORM: dict[str, Any] = {
    "terminal_width": 100,
    "max_content_width": 100,
    "help_option_names": ["-h", "--help"],
}


def _described(command: Any, name: str, parent: Any) -> list[str]:
    with typer.Context(command, info_name=name, parent=parent, **_FORM) as context:
        path = context.command_path
        # A command that is called by itself, such as `replyx up`, has no commands of its own.
        inner = list(getattr(command, "commands", {}))
        rows = _block(path, context)
        for part in inner:
            rows += _described(command.commands[part], part, context)
        return rows


def _block(path: str, context: Any) -> list[str]:
    depth = "###" if path.count(" ") > 1 else "##"
    text = re.sub(r"[ \t]+$", "", context.get_help(), flags=re.MULTILINE).strip()
    return ["", f"{depth} {path}", "", "```", text, "```"]
