"""`replyx status`: what runs, the queue and the counts; once, or again and again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from replyx.cli.commands import single
from replyx.cli.flags import AsJson

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from replyx.app import App

app = single()


@app.command()
def status(
    ctx: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl+C.")] = False,
    every: Annotated[float, typer.Option(metavar="S", min=0.2, help="Seconds between two looks of --watch.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show what runs, the queue and the counts.

    With --watch a table that lives; with --watch --json one line of JSON at each look.
    """
    from replyx.cli.output import hint, line, print_json

    with ctx.obj.app() as services:
        if watch:
            try:
                _watch(lambda: _collected(services), every, as_json=as_json)
            except KeyboardInterrupt:
                line("")
            return
        found = _collected(services)
    if as_json:
        print_json(found)
        return
    _print(found)
    if not any(process["alive"] for process in found["processes"]):
        hint("Ничего не запущено. Запустите: replyx up", "Nothing runs. Start it: replyx up")
    if found["bot_states"].keys() - {"starting", "running"}:
        hint("Что с ботами: replyx bots status", "What is wrong with the bots: replyx bots status")


def _collected(services: App) -> dict[str, Any]:
    from replyx.dialogs.dialogs import DialogFilter
    from replyx.types import SYSTEM

    depth, oldest = services.census.waiting_replies()
    return {
        "processes": [beat.as_json() for beat in services.beats.list()],
        "queue": {"depth": depth, "oldest_seconds": round(oldest, 1)},
        "bots": services.assistants.count_bots(),
        "bot_states": services.bot_states.counts(),
        "deliveries": services.deliveries.counts(),
        "ai_keys": services.census.ai_keys(),
        "counts": {
            "users": services.accounts.list_users(1)[1],
            "assistants": services.assistants.list_for(SYSTEM, limit=1)[1],
            "documents": services.knowledge.list_documents(SYSTEM, limit=1)[1],
            "dialogs": services.dialogs.list_for(SYSTEM, DialogFilter(limit=1))[1],
            "handoffs": services.dialogs.list_for(SYSTEM, DialogFilter(handoff_status="requested", limit=1))[1],
        },
    }


def _bots(found: dict[str, Any]) -> str:
    """`3 (2 running, 1 refused)`."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(found["bot_states"].items()))
    return f"{found['bots']} ({states})" if states else str(found["bots"])


def _watch(look: Callable[[], dict[str, Any]], every: float, *, as_json: bool) -> None:
    """Until the keyboard says so. A database that is away is told of, and asked again."""
    import json

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from replyx.cli.language import language
    from replyx.cli.output import line
    from replyx.errors import ServiceUnavailable

    if as_json:
        while True:
            line(json.dumps(look(), ensure_ascii=False))
            time.sleep(every)
    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        while True:
            try:
                shown: RenderableType = _shown(look())
            except ServiceUnavailable as error:
                shown = Text(error.message(language()))
            live.update(shown, refresh=True)
            time.sleep(every)


def _print(found: dict[str, Any]) -> None:
    from replyx.cli.output import print_record, print_table

    if found["processes"]:
        print_table(_columns(), _processes(found))
    print_record(_figures(found))


def _shown(found: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from replyx.cli.language import choose

    figures = Table.grid(padding=(0, 2))
    for name, value in _figures(found):
        figures.add_row(name, str(value))
    processes = Table(*_columns(), box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for role, name, alive, age in _processes(found):
        said = choose("да", "yes") if alive else choose("нет", "no")
        processes.add_row(role, name, said, f"{age:g}", style="" if alive else "red")
    head = f"ReplyX · {time.strftime('%H:%M:%S')} · {choose('выход: Ctrl+C', 'to end: Ctrl+C')}"
    return Group(Text(head, style="dim"), Text(), processes, Text(), figures)


def _columns() -> list[str]:
    from replyx.cli.language import choose

    return choose("роль,процесс,работает,сигнал, с назад", "role,process,alive,beat, s ago").split(",", 3)


def _processes(found: dict[str, Any]) -> list[tuple[str, str, bool, float]]:
    return [(p["role"], p["name"], p["alive"], p["age_seconds"]) for p in found["processes"]]


def _figures(found: dict[str, Any]) -> list[tuple[str, object]]:
    from replyx.cli.language import choose

    queue, counts = found["queue"], found["counts"]
    waiting = f"{queue['depth']} ({queue['oldest_seconds']:g} s)" if queue["depth"] else 0
    return [
        (choose("ждут ответа", "answers owed"), waiting),
        (choose("ждут оператора", "wait for a person"), counts["handoffs"]),
        (choose("доставки", "deliveries"), _states(found["deliveries"])),
        (choose("ключи ИИ", "AI keys"), _states(found["ai_keys"])),
        (choose("ботов", "bots"), _bots(found)),
        (choose("пользователей", "users"), counts["users"]),
        (choose("ассистентов", "assistants"), counts["assistants"]),
        (choose("документов", "documents"), counts["documents"]),
        (choose("диалогов", "dialogs"), counts["dialogs"]),
    ]


def _states(counts: dict[str, int]) -> str:
    """`3 sent, 1 failed`; nothing of states that nothing is in."""
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "–"
