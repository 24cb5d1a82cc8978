"""`replyx status`: what runs, the queue and the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from replyx.cli.commands import single
from replyx.cli.flags import AsJson

if TYPE_CHECKING:
    from replyx.app import App

app = single()


@app.command()
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show what runs, the queue and the counts."""
    from replyx.cli.output import print_json

    with ctx.obj.app() as services:
        found = _collected(services)
    if as_json:
        print_json(found)
    else:
        _show(found)


def _collected(services: App) -> dict[str, Any]:
    from replyx.dialogs.dialogs import DialogFilter
    from replyx.types import SYSTEM

    depth, oldest = services.census.waiting_replies()
    return {
        "processes": [beat.as_json() for beat in services.beats.list()],
        "queue": {"depth": depth, "oldest_seconds": round(oldest, 1)},
        "bots": services.assistants.count_bots(),
        "counts": {
            "users": services.accounts.list_users(1)[1],
            "assistants": services.assistants.list_for(SYSTEM, limit=1)[1],
            "documents": services.knowledge.list_documents(SYSTEM, limit=1)[1],
            "dialogs": services.dialogs.list_for(SYSTEM, DialogFilter(limit=1))[1],
            "handoffs": services.dialogs.list_for(SYSTEM, DialogFilter(handoff_status="requested", limit=1))[1],
        },
    }


def _show(found: dict[str, Any]) -> None:
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_record, print_table

    if found["processes"]:
        columns = choose("роль,процесс,работает,сигнал, с назад", "role,process,alive,beat, s ago").split(",", 3)
        print_table(columns, [(p["role"], p["name"], p["alive"], p["age_seconds"]) for p in found["processes"]])
    if not any(process["alive"] for process in found["processes"]):
        hint("Ничего не запущено. Запустите: replyx up", "Nothing runs. Start it: replyx up")
    queue, counts = found["queue"], found["counts"]
    waiting = f"{queue['depth']} ({queue['oldest_seconds']:g} s)" if queue["depth"] else 0
    print_record(
        [
            (choose("ждут ответа", "answers owed"), waiting),
            (choose("ждут оператора", "wait for a person"), counts["handoffs"]),
            (choose("ботов", "bots"), found["bots"]),
            (choose("пользователей", "users"), counts["users"]),
            (choose("ассистентов", "assistants"), counts["assistants"]),
            (choose("документов", "documents"), counts["documents"]),
            (choose("диалогов", "dialogs"), counts["dialogs"]),
        ]
    )
