"""`replyx knowledge`: documents in, searched, rebuilt, out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Limit, Offset, WhichAssistant, Yes
from replyx.cli.gaps import list_gaps, solve_gap
from replyx.cli.prepared_answers import export_qa, import_qa
from replyx.cli.sites import add_site, list_sites, remove_site, visit_site

if TYPE_CHECKING:
    from replyx.cli.adding import Added

app = group("Documents that assistants answer from.")

MaybeAssistant = Annotated[
    str | None, typer.Argument(metavar="[ASSISTANT]", help="Name or id; else all.", show_default=False)
]


@app.command()
def add(
    ctx: typer.Context,
    assistant: WhichAssistant,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files and folders.", show_default=False, readable=False)
    ],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Take the place of documents of the same name; the same content is left alone."),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Read them now; on a terminal this is so anyway.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add PDF, office files, Markdown, HTML and text; exit code 1 where one failed, the others are added.

    Without --wait and without a terminal they are stored, and the running worker reads them.
    """
    from replyx.cli.adding import add_file, found_files
    from replyx.cli.exits import ExitCode
    from replyx.cli.invocation import find_assistant
    from replyx.cli.output import print_json
    from replyx.cli.progress import bars
    from replyx.cli.sharing import require_one_data_directory

    files, added = found_files(paths)
    is_read_here = wait or (sys.stderr.isatty() and not as_json)
    with ctx.obj.app() as services, bars(shown=is_read_here and not as_json) as shown:
        require_one_data_directory(services)
        found = find_assistant(services, assistant)
        for path in files:
            move = shown.start(path.name) if is_read_here else None
            added.append(add_file(services, found.id, path, move, wait=is_read_here, replace=replace))
        is_worker_alive = any(beat.alive and beat.role == "worker" for beat in services.beats.list())
    if as_json:
        print_json([one.as_json() for one in added])
    else:
        _show_added(added)
        if not is_read_here and any(not one.failed for one in added):
            _say_who_reads(is_worker_alive)
    if any(one.failed for one in added):
        raise typer.Exit(ExitCode.EXIT_FAILED)


app.command("import-qa")(import_qa)
app.command("export-qa")(export_qa)
app.command("gaps")(list_gaps)
app.command("solve-gap")(solve_gap)
app.command("add-site")(add_site)
app.command("sites")(list_sites)
app.command("visit-site")(visit_site)
app.command("remove-site")(remove_site)


@app.command("list")
def list_documents(
    ctx: typer.Context, assistant: MaybeAssistant = None, limit: Limit = 50, offset: Offset = 0, as_json: AsJson = False
) -> None:
    """List documents."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.language import choose, language
    from replyx.cli.output import hint, hint_more, print_json, print_table
    from replyx.types import SYSTEM

    with ctx.obj.app() as services:
        only = None if assistant is None else find_assistant(services, assistant).id
        rows, total = services.knowledge.list_documents(SYSTEM, assistant_id=only, limit=limit, offset=offset)
    if as_json:
        print_json([row.as_json(language()) for row in rows])
    elif not rows:
        hint(
            "Документов нет. Добавьте: replyx knowledge add АССИСТЕНТ ФАЙЛ…",
            "There are no documents. Add some: replyx knowledge add ASSISTANT FILE…",
        )
    else:
        columns = choose(
            "id,ассистент,файл,состояние,страниц,фрагментов,причина", "id,assistant,file,status,pages,chunks,reason"
        )
        print_table(
            columns.split(","),
            [
                (
                    d.id,
                    d.assistant_id,
                    d.filename,
                    d.status,
                    d.pages,
                    d.chunks_count,
                    choose(d.error.message_ru, d.error.message_en) if d.error else "",
                )
                for d in rows
            ],
        )
        hint_more(offset + len(rows), total)


@app.command()
def remove(
    ctx: typer.Context,
    documents: Annotated[list[int], typer.Argument(metavar="DOCUMENT...", help="Ids.", show_default=False)],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete documents; answers stop using them at once."""
    from replyx.cli.asking import require_consent
    from replyx.cli.output import print_json, say
    from replyx.types import SYSTEM

    with ctx.obj.app() as services:
        # All are looked up first: a wrong id deletes nothing.
        found = [services.knowledge.get_document(SYSTEM, number) for number in documents]
        names = ", ".join(document.filename for document in found)
        require_consent(f"Удалить {names}?", f"Delete {names}?", yes=yes)
        for document in found:
            services.knowledge.delete_document(SYSTEM, document.id)
    if as_json:
        print_json([{"id": document.id, "filename": document.filename} for document in found])
    else:
        say(f"Удалено: {names}", f"Deleted: {names}")


@app.command()
def search(
    ctx: typer.Context,
    assistant: WhichAssistant,
    query: Annotated[str, typer.Argument(show_default=False)],
    limit: Annotated[int, typer.Option(min=1, max=50, help="Most passages.")] = 6,
    as_json: AsJson = False,
) -> None:
    """Show the passages that an answer to QUERY would rest on, and whether they are enough for one."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_json, print_table, say, shortened

    with ctx.obj.app() as services:
        found = find_assistant(services, assistant)
        result = services.knowledge.search(found.id, query, limit, found.answer_threshold)
    if as_json:
        fields = ("text", "score", "document_id", "filename", "page", "heading", "qa_id")
        rows = [{name: getattr(passage, name) for name in fields} for passage in result.passages]
        print_json({"results": rows, "answerable": result.answerable})
        return
    if not result.passages:
        hint(
            "Ничего не найдено. Что есть: replyx knowledge list",
            "Nothing was found. What there is: replyx knowledge list",
        )
        return
    columns = choose("балл,документ,страница,раздел,текст", "score,document,page,section,text")
    print_table(
        columns.split(","),
        [
            (f"{p.score:.3f}", p.filename, p.page, shortened(p.heading, 40), shortened(p.text, 100))
            for p in result.passages
        ],
    )
    if result.answerable:
        say("Ответ будет дан.", "This is enough for an answer.")
    else:
        say("Для ответа мало: будет «не найдено».", "This is not enough: the answer will be 'not found'.")


@app.command()
def rebuild(ctx: typer.Context, assistant: MaybeAssistant = None, as_json: AsJson = False) -> None:
    """Make the search index anew from the database; the answers stay the same."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.output import print_json, say
    from replyx.cli.progress import bars

    with ctx.obj.app() as services, bars(shown=not as_json) as shown:
        only = None if assistant is None else find_assistant(services, assistant).id
        chunks = services.knowledge.rebuild(only, shown.count("LanceDB"))
    if as_json:
        print_json({"chunks": chunks})
    else:
        say(f"Фрагментов в индексе: {chunks}", f"Chunks in the index: {chunks}")


def _show_added(added: list[Added]) -> None:
    from replyx.cli.language import choose
    from replyx.cli.output import print_table

    columns = choose("id,файл,состояние,страниц,фрагментов,причина", "id,file,status,pages,chunks,reason")
    rows: list[tuple[object, ...]] = []
    for one in added:
        document = one.document
        if document is None:
            rows.append((None, one.path, "failed", None, None, one.reason))
        else:
            figures = (document.status, document.pages, document.chunks_count)
            rows.append((document.id, one.path, *figures, one.reason))
    print_table(columns.split(","), rows)


def _say_who_reads(is_worker_alive: bool) -> None:
    from replyx.cli.output import hint

    if is_worker_alive:
        hint(
            "Документы читает работающий ReplyX. Следить: replyx knowledge list",
            "The running ReplyX reads the documents. Watch: replyx knowledge list",
        )
    else:
        hint(
            "Ничего не запущено: документы прочтёт replyx up. Сразу: replyx knowledge add … --wait",
            "Nothing runs: replyx up will read the documents. At once: replyx knowledge add … --wait",
        )
