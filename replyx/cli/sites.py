"""`replyx knowledge add-site` and its kin: web sites that an assistant reads and keeps up with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.flags import AsJson, Limit, Offset, WhichAssistant, Yes

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.cli.progress import Bars
    from replyx.knowledge.sites import SiteView

WhichSite = Annotated[int, typer.Argument(metavar="SITE", help="Id.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Visit it now and read what came.")]


def add_site(
    ctx: typer.Context,
    assistant: WhichAssistant,
    url: Annotated[str, typer.Argument(help="First page, or a sitemap.", show_default=False)],
    depth: Annotated[int, typer.Option(min=0, max=20, help="Links that are followed one after another.")] = 3,
    pages: Annotated[int, typer.Option(min=1, max=5000, help="Most pages.")] = 200,
    every: Annotated[int, typer.Option(min=0, max=8760, help="Hours between two visits; 0: only when asked.")] = 24,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Read a web site, and keep up with it; its robots.txt is obeyed, private networks are not entered."""
    from replyx.cli.invocation import find_assistant
    from replyx.cli.progress import bars
    from replyx.types import SYSTEM

    with ctx.obj.app() as services, bars(shown=wait and not as_json) as shown:
        found = find_assistant(services, assistant)
        site = services.knowledge.sites.add(SYSTEM, found.id, url, depth, pages, every)
        site = _visited(services, site, shown) if wait else site
    _show([site], as_json=as_json, one=True)


def visit_site(ctx: typer.Context, site: WhichSite, as_json: AsJson = False) -> None:
    """Visit a web site now: what is new or changed is read, what is gone is forgotten."""
    from replyx.cli.progress import bars
    from replyx.types import SYSTEM

    with ctx.obj.app() as services, bars(shown=not as_json) as shown:
        found = services.knowledge.sites.visit_soon(SYSTEM, site)
        found = _visited(services, found, shown)
    _show([found], as_json=as_json, one=True)


def list_sites(
    ctx: typer.Context,
    assistant: Annotated[
        str | None, typer.Argument(metavar="[ASSISTANT]", help="Name or id; else all.", show_default=False)
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: AsJson = False,
) -> None:
    """List web sites with what their last visits found."""
    from replyx.cli.invocation import find_assistant
    from replyx.types import SYSTEM

    with ctx.obj.app() as services:
        only = None if assistant is None else find_assistant(services, assistant).id
        rows, _ = services.knowledge.sites.list_for(SYSTEM, only, limit, offset)
    _show(rows, as_json=as_json)


def remove_site(ctx: typer.Context, site: WhichSite, yes: Yes = False, as_json: AsJson = False) -> None:
    """Forget a web site and all its pages."""
    from replyx.cli.asking import require_consent
    from replyx.cli.output import print_json, say
    from replyx.types import SYSTEM

    with ctx.obj.app() as services:
        found = services.knowledge.sites.get(SYSTEM, site)
        require_consent(f"Забыть {found.url}?", f"Forget {found.url}?", yes=yes)
        services.knowledge.sites.delete(SYSTEM, site)
    if as_json:
        print_json({"id": found.id, "url": found.url})
    else:
        say(f"Забыт: {found.url}", f"Forgotten: {found.url}")


def _visited(services: App, site: SiteView, shown: Bars) -> SiteView:
    """The site after a visit, its documents read; by this process, or by a worker that was faster."""
    from replyx.types import SYSTEM

    move = shown.count(site.url)
    services.knowledge.sites.visit(site.id, None if move is None else lambda count: move(count, site.max_pages))
    for document_id in services.knowledge.due_documents():
        services.knowledge.ingest(document_id, shown.start(site.url))
    return services.knowledge.sites.get(SYSTEM, site.id)


def _show(rows: list[SiteView], *, as_json: bool, one: bool = False) -> None:
    from replyx.cli.exits import ExitCode
    from replyx.cli.language import choose, language
    from replyx.cli.output import hint, print_json, print_table

    shown = [row.as_json(language()) for row in rows]
    if as_json:
        print_json(shown[0] if one else shown)
    elif not rows:
        hint(
            "Сайтов нет. Добавьте: replyx knowledge add-site", "There are no sites. Add one: replyx knowledge add-site"
        )
    else:
        columns = choose(
            "id,ассистент,адрес,состояние,страниц,новых,изменённых,исчезло,ошибок,причина",
            "id,assistant,address,status,pages,new,changed,gone,failed,reason",
        )
        print_table(
            columns.split(","),
            [
                (row["id"], row["assistant_id"], row["url"], row["status"], *row["last_visit"].values(), row["error"])
                for row in shown
            ],
        )
    if one and rows[0].status == "failed":
        raise typer.Exit(ExitCode.EXIT_FAILED)
