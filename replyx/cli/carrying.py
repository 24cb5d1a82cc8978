"""`replyx assistants export|import`: an assistant as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from replyx.cli.flags import AsJson, WhichAssistant


def export_assistant(
    ctx: typer.Context,
    assistant: WhichAssistant,
    to: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Else NAME.assistant.", show_default=False, readable=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write an assistant's settings, Q&A pairs and documents into one file."""
    from replyx.backup.assistant_file import AssistantFiles
    from replyx.cli.invocation import find_assistant
    from replyx.cli.output import print_json, say

    with ctx.obj.app() as services:
        found = find_assistant(services, assistant)
        path = Path(f"{_plain(found.name) or found.id}.assistant") if to is None else to
        documents = AssistantFiles(services.assistants, services.knowledge).export(found, path)
    if as_json:
        print_json({"file": str(path.resolve()), "documents": documents})
    else:
        say(f"{path}: документов {documents}", f"{path}: {documents} documents")


def import_assistant(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `export` wrote.", show_default=False, readable=False)
    ],
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="USER", help="Its owner, e-mail or id; else the first administrator.", show_default=False
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Another name.", show_default=False)] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Another model.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an assistant from such a file; a worker reads its documents."""
    from replyx.backup.assistant_file import AssistantFiles
    from replyx.cli.invocation import acting_for
    from replyx.cli.output import hint, print_json, say

    changes = {key: value for key, value in (("name", name), ("ai_model", model)) if value is not None}
    count = 0

    def note(_document: object) -> None:
        nonlocal count
        count += 1

    with ctx.obj.app() as services:
        files = AssistantFiles(services.assistants, services.knowledge)
        made = files.read(acting_for(services, user), path, changes, note)
    if as_json:
        print_json({**made.as_json(), "documents": count})
        return
    say(f"Создан {made.id} «{made.name}», документов {count}", f"Made {made.id} '{made.name}', {count} documents")
    hint(
        "Документы читает работающий ReplyX. Следить: replyx knowledge list",
        "The running ReplyX reads the documents. Watch: replyx knowledge list",
    )


def _plain(name: str) -> str:
    """A file's name of an assistant's."""
    return "".join(c if c.isalnum() or c in " -_." else "_" for c in name).strip(" .")[:80]
