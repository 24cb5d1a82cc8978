"""The `replyx` command: options that every command has, and the way from arguments to an exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
import typer.main

from replyx import __version__
from replyx.cli.commands import Commands, show_help_without_command
from replyx.cli.exits import ExitCode
from replyx.cli.invocation import Invocation

logger = logging.getLogger(__name__)

root = typer.Typer(
    name="replyx",
    cls=Commands,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Options of `replyx` itself that may also stand behind the command's name.
_ANYWHERE = ("--config", "--data-dir")


def _show_version(wanted: bool) -> None:
    if wanted:
        from replyx.cli.output import line

        line(f"replyx {__version__}")
        raise typer.Exit


@root.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Settings; else REPLYX_CONFIG, ./replyx.toml, /etc/replyx/replyx.toml, defaults.",
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Data directory; else REPLYX_DATA_DIR, paths.data_dir.", show_default=False),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """ReplyX: an AI support desk on one box. Start with `replyx up`."""
    show_help_without_command(ctx)
    if os.geteuid() == 0:
        from replyx.cli.owner import act_as_owner

        act_as_owner(config, data_dir, ctx.invoked_subcommand)
    ctx.obj = Invocation(config_path=config, data_dir=data_dir)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and answer its exit code; whatever went wrong has been told on standard error."""
    try:
        # Not typer's own `standalone_mode`: errors are told in one place, and in the user's language.
        code = typer.main.get_command(root).main(args=_hoisted(arguments), prog_name="replyx", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        _let_debugging_be_heard()
        logger.debug("the command ended with an error", exc_info=error)
        from replyx.cli.output import report

        return report(error, as_json="--json" in arguments)
    return code if isinstance(code, int) else ExitCode.EXIT_OK


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def _let_debugging_be_heard() -> None:
    """A traceback is for who asks for it, also of what went wrong before the settings were read."""
    if os.environ.get("REPLYX_LOG__LEVEL", "").lower() == "debug":
        from replyx.log import setup_logging

        setup_logging("debug", as_json=False)


def _hoisted(arguments: Sequence[str]) -> list[str]:
    """`users list --data-dir X` → `--data-dir X users list`."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _ANYWHERE:
            front += [word, *(value for value in [next(words, None)] if value is not None)]
        elif word.startswith(tuple(f"{name}=" for name in _ANYWHERE)):
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest]
