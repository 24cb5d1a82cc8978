"""`replyx eval`: golden questions against an assistant, a table of failures, a comparison with the last time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import single
from replyx.cli.flags import AsJson, WhichAssistant

if TYPE_CHECKING:
    from replyx.dialogs.evaluation import Before, Golden, Report

app = single()


@app.command()
def evaluate(
    ctx: typer.Context,
    assistant: WhichAssistant,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CSV...]",
            help="Columns: question, document, pages, answer, answerable.",
            exists=True,
            readable=False,
        ),
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="The Q&A pairs, too; without files this is so anyway.")
    ] = False,
    dialogs: Annotated[bool, typer.Option("--dialogs", help="What operators answered in dialogs, too.")] = False,
    answers: Annotated[
        bool, typer.Option("--answers", help="Let the engine write the answers that are expected; its tokens are used.")
    ] = False,
    least: Annotated[float, typer.Option(min=0, max=1, help="The least share of right ones.")] = 0.9,
    as_json: AsJson = False,
) -> None:
    """Put golden questions to an assistant: what it finds, refuses and answers.

    Exit code 1 where fewer than --least are right, or one that was right the last time is not any more.
    """
    from replyx.cli.exits import ExitCode
    from replyx.cli.invocation import find_assistant
    from replyx.cli.output import print_json
    from replyx.cli.progress import bars
    from replyx.dialogs.evaluation import Before, read_csv
    from replyx.errors import NotFound

    with ctx.obj.app() as services, bars(shown=not as_json) as shown:
        found = find_assistant(services, assistant)
        questions: list[Golden] = [golden for file in files or () for golden in read_csv(file)]
        if pairs or not (files or dialogs):
            questions += services.evaluation.of_pairs(found.id)
        if dialogs:
            questions += services.evaluation.of_dialogs(found.id)
        if not questions:
            raise NotFound(
                "Нет вопросов. Добавьте пары вопрос-ответ или файл CSV со столбцом question",
                "There are no questions. Add Q&A pairs or a CSV file with a column 'question'",
            )
        services.knowledge.refine(found.id, shown.count("e5"))
        report = services.evaluation.run(found, questions, with_answers=answers, progress=shown.count(found.name))
        last_run = services.config.data_dir / "eval" / f"{found.id}.json"
        before = Before.load(last_run)
        before.with_run(report).save(last_run)
    worse = before.worse(report)
    if as_json:
        print_json({**report.as_json(), "worse": worse})
    else:
        _show(report, before, worse)
    if worse or report.right < least * len(report.checked):
        raise typer.Exit(ExitCode.EXIT_FAILED)


def _show(report: Report, before: Before, worse: list[str]) -> None:
    from replyx.cli.language import choose
    from replyx.cli.output import print_table, say, shortened

    names = {
        "retrieval": choose("нашлось место ответа", "the place of the answer was found"),
        "gate": choose("верно, отвечать ли", "rightly answered or refused"),
        "answer": choose("ответ как ожидался", "the answer as expected"),
    }
    rows = []
    for name, sentence in names.items():
        right, of = report.share(name)
        was_right, was_of = before.share(name, report)
        last = f"{was_right}/{was_of}" if was_of else ""
        rows.append((sentence, f"{right}/{of}", f"{100 * right / of:.1f} %" if of else "", last))
    print_table(choose("что,верно,доля,прошлый раз", "what,right,share,last time").split(","), rows)
    failures = [one for one in report.checked if not one.is_right]
    if failures:
        print_table(
            choose("не так,балл,вопрос,вместо этого,хуже", "wrong,score,question,instead,worse").split(","),
            [
                (
                    one.failed,
                    f"{one.score:.2f}",
                    shortened(one.question, 70),
                    shortened(one.instead, 60),
                    "!" if one.question in worse else "",
                )
                for one in failures
            ],
        )
    say(
        f"Верно {report.right} из {len(report.checked)}; стали хуже: {len(worse)}",
        f"Right: {report.right} of {len(report.checked)}; worse than the last time: {len(worse)}",
    )
