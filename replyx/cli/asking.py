"""Secrets and consent: read from standard input or a terminal, never from arguments."""

from __future__ import annotations

import sys
from getpass import getpass

import typer

from replyx.cli.language import choose


def ask_secret(ru: str, en: str, *, from_stdin: bool, flag: str, confirm: bool = False) -> str:
    """A secret: the first line of standard input where `from_stdin`, else typed on the terminal without an echo.

    Raises:
        typer.BadParameter: nothing came, the two inputs differ, or there is no terminal to ask on.
    """
    if from_stdin:
        secret = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        secret = getpass(choose(ru, en) + ": ")
        if confirm and secret != getpass(choose("Ещё раз", "Again") + ": "):
            raise typer.BadParameter(choose("Введено по-разному.", "The two inputs differ."), param_hint=flag)
    else:
        raise typer.BadParameter(
            choose(
                "Нет терминала, чтобы спросить; передайте через стандартный ввод.",
                "There is no terminal to ask on; pass it on standard input.",
            ),
            param_hint=flag,
        )
    if not secret:
        raise typer.BadParameter(choose("Пусто.", "It is empty."), param_hint=flag)
    return secret


def require_consent(ru: str, en: str, *, yes: bool) -> None:
    """Ask before something is lost, unless `--yes` said so.

    Raises:
        typer.BadParameter: there is no terminal to ask on. typer.Exit: the answer was no; nothing is changed.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(choose("Подтвердите: --yes", "Confirm with --yes"), param_hint="--yes")
    if not typer.confirm(choose(ru, en), err=True):
        raise typer.Exit(1)
