"""`replyx knowledge import-qa` and `export-qa`: prepared answers in and out as CSV and JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from replyx.cli.flags import AsJson, WhichAssistant


def import_qa(
    ctx: typer.Context,
    assistant: WhichAssistant,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns question, answer, tags; or JSON, a list of such objects.",
            exists=True,
            dir_okay=False,
            show_default=False,
            readable=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Add the prepared answers of FILE, all or none; a question that is there already gets the new answer."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.output import print_json, say
    from replyx.types import SYSTEM

    kind: Literal["csv", "json"] = "json" if file.suffix.lower() == ".json" else "csv"
    with ctx.obj.app() as services:
        found = find_assistant(services, assistant)
        done = services.knowledge.import_qa(SYSTEM, found.id, file.read_bytes(), kind)
    if as_json:
        print_json(done.as_json())
    else:
        say(
            f"Добавлено: {done.added}, изменено: {done.changed}, без изменений: {done.unchanged}",
            f"Added: {done.added}, changed: {done.changed}, unchanged: {done.unchanged}",
        )


def export_qa(
    ctx: typer.Context,
    assistant: WhichAssistant,
    file: Annotated[
        Path | None,
        typer.Argument(help="Ends with .csv or .json; else CSV is printed.", show_default=False, readable=False),
    ] = None,
) -> None:
    """Write all prepared answers to FILE, or print them as CSV."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.output import say
    from replyx.types import SYSTEM

    kind: Literal["csv", "json"] = "json" if file is not None and file.suffix.lower() == ".json" else "csv"
    with ctx.obj.app() as services:
        text = services.knowledge.export_qa(SYSTEM, find_assistant(services, assistant).id, kind)
    if file is None:
        sys.stdout.write(text)
        return
    # A spreadsheet takes CSV for UTF-8 by its mark.
    file.write_text(text, encoding="utf-8-sig" if kind == "csv" else "utf-8", newline="")
    say(f"Записано: {file}", f"Written: {file}")
