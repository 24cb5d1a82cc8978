"""What commands print: results on standard output, everything else on standard error, errors in one place.

A program that reads standard output gets results only: `--json` prints one JSON document there. Hints, progress, logs
and errors go to standard error. With `--json` an error is one line of JSON there, else one sentence.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from replyx.cli.exits import ExitCode
from replyx.cli.language import choose, language
from replyx.errors import (
    AddressInUse,
    AlreadyRunning,
    BackupStoreFailed,
    BackupUnusable,
    ConfigError,
    DatabaseUnavailable,
    DiskFull,
    NotFound,
    ReplyXError,
    SchemaOutdated,
    SchemaTooNew,
    UpgradeFailed,
    ValidationFailed,
)

#: Which exit code an error ends with: the first class on its family tree that is here; none of them: refused.
_CODES: dict[type[BaseException], ExitCode] = {
    ConfigError: ExitCode.EXIT_CONFIG,
    DatabaseUnavailable: ExitCode.EXIT_DATABASE,
    DiskFull: ExitCode.EXIT_FAILED,
    NotFound: ExitCode.EXIT_NOT_FOUND,
    SchemaTooNew: ExitCode.EXIT_SCHEMA,
    SchemaOutdated: ExitCode.EXIT_SCHEMA,
    AddressInUse: ExitCode.EXIT_PORT,
    AlreadyRunning: ExitCode.EXIT_RUNNING,
    BackupUnusable: ExitCode.EXIT_FAILED,
    BackupStoreFailed: ExitCode.EXIT_FAILED,
    UpgradeFailed: ExitCode.EXIT_FAILED,
    ReplyXError: ExitCode.EXIT_REFUSED,
    OSError: ExitCode.EXIT_FAILED,
    KeyboardInterrupt: ExitCode.EXIT_INTERRUPTED,
}


def say(ru: str, en: str) -> None:
    """A result for people, on standard output."""
    line(choose(ru, en))


def line(text: str) -> None:
    """A result, on standard output, there at once."""
    print(text, flush=True)  # noqa: T201


def hint(ru: str, en: str) -> None:
    """What to do next, or what is being done: on standard error, so that no result is mixed with it."""
    print(choose(ru, en), file=sys.stderr, flush=True)  # noqa: T201


def hint_more(shown: int, total: int) -> None:
    """Say how to see the rest of a list, where there is more."""
    if shown < total:
        hint(
            f"Показано до {shown} из {total}. Дальше: --offset {shown}",
            f"Shown up to {shown} of {total}. More: --offset {shown}",
        )


def print_json(value: Any) -> None:
    """The whole result as one JSON document."""
    line(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people; where no terminal is, it is not cut to a width."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(80, _width(table)), color_system=None)
    console.print(table)


def shortened(text: str | None, characters: int) -> str | None:
    """`text` on one line, cut where a table would be torn by it."""
    plain = None if text is None else _one_line(text)
    return plain if plain is None or len(plain) <= characters else plain[: characters - 1] + "…"


def print_record(fields: Iterable[tuple[str, object]]) -> None:
    """One thing for people: a field a line."""
    rows = [(name, _cell(value)) for name, value in fields]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        line(f"{name.ljust(width)}  {value}".rstrip())


def roubles(kopecks: int) -> str:
    """`1250` → `12.50`."""
    return f"{'-' if kopecks < 0 else ''}{abs(kopecks) // 100}.{abs(kopecks) % 100:02d}"


def report(error: BaseException, *, as_json: bool) -> ExitCode:
    """Tell on standard error what went wrong, in one line, and answer the exit code."""
    code = _exit_code(error)
    if isinstance(error, BrokenPipeError):
        # The reader has gone (`| head`): nobody to tell, and Python must not try to flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code
    name, text, details = _described(error)
    if as_json:
        body = {"error": {"code": name, "message": text, "details": details}}
        print(json.dumps(body, ensure_ascii=False), file=sys.stderr)  # noqa: T201
    else:
        print(f"replyx: {text}", file=sys.stderr)  # noqa: T201
    return code


def _exit_code(error: BaseException) -> ExitCode:
    if _is_usage(error):
        return ExitCode.EXIT_USAGE
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), ExitCode.EXIT_INTERNAL)


def _described(error: BaseException) -> tuple[str, str, dict[str, Any]]:
    """Code, sentence and details, in the user's language."""
    spoken = language()
    if isinstance(error, ReplyXError):
        details = error.details_in(spoken)
        return error.code, _one_line(error.message(spoken) + _issues(error, spoken)), details
    if _is_usage(error):
        return "USAGE", _usage(error), {}
    if isinstance(error, KeyboardInterrupt):
        return "INTERRUPTED", choose("прервано", "interrupted"), {}
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return "OS_ERROR", _one_line(f"{where}{error.strerror or error}"), {}
    what = f"{type(error).__name__}: {_one_line(str(error))}"
    return (
        "INTERNAL_ERROR",
        choose(
            f"внутренняя ошибка: {what}. Подробности: REPLYX_LOG__LEVEL=debug replyx …",
            f"internal error: {what}. For details run with REPLYX_LOG__LEVEL=debug",
        ),
        {},
    )


def _issues(error: ReplyXError, spoken: str) -> str:
    if not isinstance(error, ValidationFailed):
        return ""
    return ": " + "; ".join(f"{i.field}: {i.en if spoken == 'en' else i.ru}" for i in error.issues)


def _is_usage(error: BaseException) -> bool:
    from typer import Abort
    from typer.exceptions import TyperException

    return isinstance(error, (TyperException, Abort))


def _usage(error: BaseException) -> str:
    from typer.exceptions import TyperException

    if not isinstance(error, TyperException):
        return choose("ввод прерван", "the input was broken off")
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "replyx"
    return choose(
        f"{_one_line(error.format_message())} Справка: {path} --help",
        f"{_one_line(error.format_message())} Help: {path} --help",
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return choose("да", "yes") if value else choose("нет", "no")
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value) or "–"
    return str(value)


def _width(table: Any) -> int:
    from rich.console import Console

    wide = Console(width=10_000, color_system=None)
    return int(table.__rich_measure__(wide, wide.options).maximum)
