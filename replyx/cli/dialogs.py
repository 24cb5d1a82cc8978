"""`replyx dialogs`: find, read, export and delete dialogs."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Limit, Offset, Yes
from replyx.types import SYSTEM, Channel, Handoff, Json

app = group("Dialogs with customers.")


class DialogStatus(StrEnum):
    """Whether a dialog is still in the list of its tenant."""

    ACTIVE = "active"
    ARCHIVED = "archived"


WhichDialog = Annotated[int, typer.Argument(metavar="DIALOG", help="Id.", show_default=False)]


@app.command("list")
def list_dialogs(
    ctx: typer.Context,
    assistant: Annotated[
        str | None, typer.Option(metavar="ASSISTANT", help="Only this assistant's.", show_default=False)
    ] = None,
    status: Annotated[DialogStatus | None, typer.Option(show_default=False)] = None,
    handoff: Annotated[Handoff | None, typer.Option(show_default=False)] = None,
    platform: Annotated[Channel | None, typer.Option(show_default=False)] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: AsJson = False,
) -> None:
    """List dialogs, the newest word first."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.language import choose
    from replyx.cli.output import hint, hint_more, print_json, print_table, shortened
    from replyx.dialogs.dialogs import DialogFilter

    with ctx.obj.app() as services:
        which = DialogFilter(
            status=status,
            handoff_status=handoff,
            platform=platform,
            assistant_id=None if assistant is None else find_assistant(services, assistant).id,
            limit=limit,
            offset=offset,
        )
        rows, total = services.dialogs.list_for(SYSTEM, which)
    if as_json:
        print_json([row.list_json() for row in rows])
    elif not rows:
        hint(
            "Диалогов нет. Спросите: replyx ask АССИСТЕНТ ВОПРОС",
            "There are no dialogs. Ask something: replyx ask ASSISTANT QUESTION",
        )
    else:
        columns = choose("id,ассистент,канал,клиент,оператор,последнее", "id,assistant,channel,customer,handoff,last")
        print_table(
            columns.split(","),
            [
                (
                    d.id,
                    d.assistant_name,
                    d.platform,
                    d.first_name or d.telegram_username or d.email,
                    d.handoff_status,
                    shortened(d.last_message, 60),
                )
                for d in rows
            ],
        )
        hint_more(offset + len(rows), total)


@app.command()
def show(
    ctx: typer.Context,
    dialog: WhichDialog,
    trace: Annotated[bool, typer.Option("--trace", help="With how each answer came about.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a dialog with its messages."""
    from replyx.cli.output import line, print_json

    with ctx.obj.app() as services:
        body = services.dialogs.export(SYSTEM, dialog)
        if trace:
            body["traces"] = services.dialogs.traces(SYSTEM, dialog, limit=200)
    if as_json:
        print_json(body)
        return
    line(f"{body['assistant_name']} · {body['platform']} · {body['status']} · {body['handoff_status']}")
    for message in body["messages"]:
        notes = _notes(message)
        line(f"\n[{message['seq']}] {message['created_at']} {message['sender']}{notes}\n{message['text']}")
        for row in body.get("traces", ()):
            if row["message_id"] == message["id"]:
                line(_trace(row))


def _trace(row: Json) -> str:
    """A trace as a few lines: who wrote, what it used, what was found, where the time went."""
    tokens = f"{row['prompt_tokens']}+{row['completion_tokens']}"
    laps = " ".join(f"{stage}={ms:.0f}ms" for stage, ms in row["milliseconds"].items())
    lines = [
        f"  trace={row.get('trace_id', '-')}",
        f"  engine={row['engine']} model={row['model']} outcome={row['outcome']} key={row['key'] or '-'}",
        f"  tokens={tokens} price={row['price']:.2f} attempt={row['attempt']} total={row['seconds']:.2f}s {laps}",
    ]
    lines += [f"  failed: {failure['model']}: {failure['reason']}" for failure in row["failures"]]
    for number, passage in enumerate(row["passages"], 1):
        where = passage["filename"] or f"qa {passage['qa_id']}"
        page = f" p. {passage['page']}" if passage["page"] else ""
        lines.append(f"  [{number}] {passage['score']:.3f} {where}{page} chunk={passage['chunk_id'] or '-'}")
    return "\n".join(lines)


def _notes(message: Json) -> str:
    """What is known of a message beside its words: how far it is on its way to Telegram, what the customer thinks."""
    from replyx.cli.language import choose

    notes: list[str] = []
    if "rating" in message:
        notes.append("👍" if message["rating"] > 0 else "👎")
    delivery = message.get("delivery")
    if delivery:
        notes.append(f"telegram: {delivery['state']}")
        notes += [delivery["error"]] if delivery["error"] else []
        notes += [choose("возможно, дважды", "perhaps twice")] if delivery["in_doubt"] else []
    return f" · {' · '.join(notes)}" if notes else ""


@app.command()
def export(
    ctx: typer.Context,
    dialog: WhichDialog,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Else standard output.", show_default=False)
    ] = None,
) -> None:
    """Write a whole dialog as one JSON document."""
    from replyx.cli.output import print_json, say

    with ctx.obj.app() as services:
        body = services.dialogs.export(SYSTEM, dialog)
    if output is None:
        print_json(body)
        return
    output.write_text(json.dumps(body, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    say(f"Записан: {output}", f"Written: {output}")


@app.command()
def delete(ctx: typer.Context, dialog: WhichDialog, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a dialog with all that was said in it."""
    from replyx.cli.asking import require_consent
    from replyx.cli.output import print_json, say

    with ctx.obj.app() as services:
        services.dialogs.get(SYSTEM, dialog)
        require_consent(f"Удалить диалог {dialog}?", f"Delete the dialog {dialog}?", yes=yes)
        services.dialogs.delete(SYSTEM, dialog)
    if as_json:
        print_json({"id": dialog})
    else:
        say(f"Удалён диалог {dialog}", f"Deleted the dialog {dialog}")
