"""`replyx knowledge gaps` and `solve-gap`: what customers asked in vain, and answering it for good."""

from __future__ import annotations

from typing import Annotated

import typer

from replyx.cli.flags import AsJson, WhichAssistant

Days = Annotated[int, typer.Option(min=1, max=3650, help="How far to look back.")]


def list_gaps(
    ctx: typer.Context,
    assistant: WhichAssistant,
    days: Days = 30,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most gaps.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What customers asked and the assistant could not answer well, grouped by meaning, the widest gap first."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_json, print_table, shortened

    with ctx.obj.app() as services:
        found = services.gaps.report(find_assistant(services, assistant), days, limit)
    if as_json:
        print_json([gap.as_json() for gap in found])
        return
    if not found:
        hint("Пробелов нет: на всё нашёлся ответ.", "There are no gaps: everything was answered.")
        return
    columns = choose("id,раз,без ответа,диалогов,вопрос,ответ оператора", "id,times,unanswered,dialogs,question,draft")
    print_table(
        columns.split(","),
        [
            (
                gap.id,
                gap.count,
                gap.unanswered,
                gap.dialogs,
                shortened(gap.question, 70),
                shortened(gap.draft.reply, 60) if gap.draft else "",
            )
            for gap in found
        ],
    )
    hint(
        "Принять ответ оператора или дать свой: replyx knowledge solve-gap АССИСТЕНТ ID [--answer ТЕКСТ]",
        "Approve an operator's answer, or give one: replyx knowledge solve-gap ASSISTANT ID [--answer TEXT]",
    )


def solve_gap(
    ctx: typer.Context,
    assistant: WhichAssistant,
    gap: Annotated[int, typer.Argument(metavar="GAP", help="Id, as `gaps` shows it.", show_default=False)],
    answer: Annotated[str, typer.Option(help="The answer; else what the operator said.", show_default=False)] = "",
    days: Days = 30,
    as_json: AsJson = False,
) -> None:
    """Add a prepared answer for a gap: the operator's words, or your own."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.output import print_json, say
    from replyx.types import SYSTEM

    with ctx.obj.app() as services:
        found = find_assistant(services, assistant)
        pair = services.gaps.solve(SYSTEM, found, gap, answer.strip() or None, days)
    if as_json:
        print_json(pair.as_json())
    else:
        say(f"Готовый ответ {pair.id}: {pair.question}", f"Prepared answer {pair.id}: {pair.question}")
