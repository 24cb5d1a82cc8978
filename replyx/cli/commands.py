"""The table of commands: a name, the module that is loaded when the command is called, and its sentence."""

from __future__ import annotations

import importlib
from typing import Any

import typer
import typer.core
import typer.main

from replyx.cli.exits import ExitCode

#: In the order of `replyx --help`. A test compares the sentences with those of the commands themselves.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("replyx.cli.up", "Run everything in one process; nothing else is needed."),
    "init": ("replyx.cli.init", "Write replyx.toml, make the secrets, the database and the first administrator."),
    "server": ("replyx.cli.server", "Run the HTTP and socket server."),
    "worker": ("replyx.cli.worker", "Run a worker: answers, documents, sweepers."),
    "bots": ("replyx.cli.bots", "Run the bot manager."),
    "doctor": ("replyx.cli.doctor", "Say what is wrong with this installation, and the command that mends it."),
    "upgrade": (
        "replyx.cli.upgrade",
        "Bring the database and the running units to the program that pip has installed.",
    ),
    "status": ("replyx.cli.status", "Show what runs, the queue and the counts."),
    "ask": ("replyx.cli.ask", "Ask an assistant a question; the answer is streamed, with its sources."),
    "db": ("replyx.cli.db", "Make, migrate, check, back up, restore and move the database."),
    "users": ("replyx.cli.users", "Users and administrators."),
    "tokens": ("replyx.cli.tokens", "AI tokens: keys to OpenAI-compatible APIs."),
    "models": ("replyx.cli.models", "Models that assistants may use, and the local model files."),
    "assistants": ("replyx.cli.assistants", "Assistants: prompt, model, channels, price."),
    "knowledge": ("replyx.cli.knowledge", "Documents that assistants answer from."),
    "eval": ("replyx.cli.eval", "Put golden questions to an assistant: what it finds, refuses and answers."),
    "dialogs": ("replyx.cli.dialogs", "Dialogs with customers."),
    "billing": ("replyx.cli.billing", "Balances, statements, payments and the check of the ledger."),
    "api-keys": ("replyx.cli.api_keys", "Tenants' keys to the OpenAI-compatible API."),
    "plugins": (
        "replyx.cli.plugins",
        "Plugins: payments, virus scanners, formats and whatever else was added.",
    ),
    "config": ("replyx.cli.config", "The settings in force."),
    "systemd": ("replyx.cli.systemd", "Units for systemd."),
    "completion": ("replyx.cli.completion", "Print the script that completes commands and options in a shell."),
}


class Commands(typer.core.TyperGroup):
    """The root group: a command's module is imported when the command is called, and not for the list of commands."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            module = importlib.import_module(COMMANDS[cmd_name][0])
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        # A typing error is compared with all names; `commands` holds only those loaded so far.
        if args and args[0] not in COMMANDS:
            for name in COMMANDS:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def group(sentence: str) -> typer.Typer:
    """A group of commands such as `replyx users`; it stays a group where it has one command only."""
    made = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)

    @made.callback(help=sentence, invoke_without_command=True)
    def _group(ctx: typer.Context) -> None:
        show_help_without_command(ctx)

    return made


def single() -> typer.Typer:
    """The holder of one command such as `replyx up`."""
    return typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


def show_help_without_command(ctx: typer.Context) -> None:
    """`replyx users` alone says what it can do, on standard error: the command line was not complete.

    Raises:
        typer.Exit: always then, with EXIT_USAGE.
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(ExitCode.EXIT_USAGE)
