"""`replyx config`: the settings in force, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson

if TYPE_CHECKING:
    from replyx.config.settings import Config

app = group("The settings in force.")


@app.command()
def show(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also settings at their default.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show settings and where each came from; secrets are not shown."""
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_json, print_table
    from replyx.config.document import shown, toml_value
    from replyx.config.settings import all_settings

    config = ctx.obj.load()
    rows = [(row.name, shown(config, row), config.origin.get(row.name, "default")) for row in all_settings()]
    rows += _plugin_rows(config)
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
        return
    chosen = [row for row in rows if every or row[2] != "default"]
    if chosen:
        columns = choose("настройка,значение,откуда", "setting,value,from")
        print_table(columns.split(","), [(name, toml_value(value), origin) for name, value, origin in chosen])
    if len(chosen) < len(rows):
        hint(
            f"Остальные {len(rows) - len(chosen)} по умолчанию: replyx config show --all",
            f"The other {len(rows) - len(chosen)} are at their default: replyx config show --all",
        )


def _plugin_rows(config: Config) -> list[tuple[str, Any, str]]:
    """Settings that were given to plugins; what no loaded plugin declares may be a secret, and is shown as one."""
    from replyx.clock import SystemClock
    from replyx.config.plugin_sections import rows_of_plugin
    from replyx.plugins.finding import load_plugins

    if not config.plugin_values:
        return []
    host = load_plugins(config, SystemClock())
    declared = {row.name: row for one in host.known for row in rows_of_plugin(one.name, one.settings_type)}
    rows = []
    for plugin, values in sorted(config.plugin_values.items()):
        for key, given in values.items():
            row = declared.get(f"plugin.{plugin}.{key}")
            is_shown = row is not None and not row.secret
            rows.append((f"plugin.{plugin}.{key}", given.value if is_shown else "[secret]", given.where))
    return rows


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the settings; exit code 3 where they cannot be used."""
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, say
    from replyx.clock import SystemClock
    from replyx.plugins.finding import load_plugins

    config = ctx.obj.load()
    load_plugins(config, SystemClock())
    path = str(config.path) if config.path else None
    if as_json:
        print_json({"ok": True, "path": path, "data_dir": str(config.data_dir)})
    else:
        where = path or choose("файла нет, значения по умолчанию", "no file, defaults")
        say(f"Настройки в порядке: {where}", f"The settings are sound: {where}")
