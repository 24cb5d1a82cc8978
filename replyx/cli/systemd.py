"""`replyx systemd`: the units of deploy/systemd with this installation's paths."""

from __future__ import annotations

import os
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import group

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from replyx.config.settings import Config

app = group("Units for systemd.")


@app.command("print")
def print_units(
    ctx: typer.Context,
    unit: Annotated[
        str | None, typer.Argument(metavar="UNIT", help="Such as replyx-server.service; else all.", show_default=False)
    ] = None,
) -> None:
    """Print the units with this installation's paths; put each into /etc/systemd/system."""
    from replyx.cli.output import hint, line
    from replyx.errors import NotFound

    config = ctx.obj.load()
    units = {file.name: file for file in _folder().iterdir() if file.name.endswith((".service", ".target"))}
    if unit is not None and unit not in units:
        known = ", ".join(sorted(units))
        raise NotFound(f"Нет юнита {unit}. Есть: {known}", f"No unit {unit}. There are: {known}")
    for name in sorted(units) if unit is None else [unit]:
        if unit is None:
            line(f"# ---- /etc/systemd/system/{name}")
        line(_with_paths(units[name].read_text(encoding="utf-8"), config))
    if config.is_embedded:
        hint(
            "Юниты — для нескольких процессов: задайте redis.url и database.url.",
            "The units are for several processes: set redis.url and database.url.",
        )


def _folder() -> Traversable:
    """Where the units are: inside the installed package, or beside it in a checkout."""
    installed = files("replyx") / "deploy" / "systemd"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "deploy" / "systemd"


def _with_paths(text: str, config: Config) -> str:
    program = Path(sys.argv[0]).resolve() if sys.argv[0].endswith("replyx") else Path(sys.executable).parent / "replyx"
    text = re.sub(r"^(Environment=PATH=)[^:\n]+", rf"\g<1>{program.parent}", text, flags=re.MULTILINE)
    if "paths.data_dir" in config.origin:
        text = re.sub(r"^(Environment=REPLYX_DATA_DIR=).*$", rf"\g<1>{config.data_dir}", text, flags=re.MULTILINE)
        text = re.sub(
            r"^(StateDirectory=replyx)$", rf"\g<1>\nReadWritePaths={config.data_dir}", text, flags=re.MULTILINE
        )
    if config.path is not None and config.path.resolve() != Path("/etc/replyx/replyx.toml"):
        setting = f"Environment=REPLYX_CONFIG={config.path.resolve()}"
        text = re.sub(r"^(Environment=REPLYX_DATA_DIR=.*)$", rf"\g<1>\n{setting}", text, flags=re.MULTILINE)
    return text.rstrip(os.linesep)
