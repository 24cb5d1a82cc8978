"""`replyx plugins`: which plugins there are, whether they are sound, and the commands that they add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson

if TYPE_CHECKING:
    from replyx.plugins.host import Host, Known
    from replyx.types import Json

app = group("Plugins: payments, virus scanners, formats and whatever else was added.")


@app.command(name="list")
def list_all(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List plugins, where they were found, and what they offer as they are set up now."""
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_table

    host = _host(ctx)
    if as_json:
        print_json([_as_json(one) for one in host.known])
        return
    columns = choose("плагин,откуда,состояние,что даёт", "plugin,source,state,offers")
    print_table(
        columns.split(","),
        [(one.name, one.source, one.state, ", ".join(one.offers.names()) or None) for one in host.known],
    )


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Load every plugin and say what is wrong with it; exit code 1 where one cannot be loaded."""
    from replyx.cli.exits import ExitCode
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_table, say

    host = _host(ctx)
    broken = [one for one in host.known if one.state == "failed"]
    if as_json:
        print_json({"ok": not broken, "failed": [_as_json(one) for one in broken]})
    elif broken:
        columns = choose("плагин,где,что с ним", "plugin,where,fault")
        print_table(columns.split(","), [(one.name, one.where, one.fault) for one in broken])
    else:
        say(f"Плагины в порядке: {len(host.known)}", f"The plugins are sound: {len(host.known)}")
    if broken:
        raise typer.Exit(ExitCode.EXIT_FAILED)


@app.command()
def run(
    ctx: typer.Context,
    plugin: Annotated[str, typer.Argument(help="Its name.", show_default=False)],
    command: Annotated[str, typer.Argument(help="The plugin's command.", show_default=False)],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGUMENT]...", help="What it takes.", show_default=False)
    ] = None,
) -> None:
    """Run a command that a plugin adds."""
    from replyx.cli.output import line
    from replyx.errors import NotFound

    host = _host(ctx)
    offered = {one.name: one for one in host.commands(plugin)}
    if command not in offered:
        names = ", ".join(offered) or "—"
        raise NotFound(
            f"У плагина {plugin} нет команды {command}. Есть: {names}",
            f"The plugin {plugin} has no command {command}. There are: {names}",
        )
    said = host.call(plugin, lambda: offered[command].run(arguments or []))
    if said:
        line(said)


def _host(ctx: typer.Context) -> Host:
    from replyx.clock import SystemClock
    from replyx.plugins.finding import load_plugins

    return load_plugins(ctx.obj.load(), SystemClock())


def _as_json(one: Known) -> Json:
    return {
        "name": one.name,
        "source": one.source,
        "where": one.where,
        "state": one.state,
        "offers": one.offers.names(),
        "commands": [command.name for command in one.offers.cli_commands],
        "fault": one.fault or None,
    }
