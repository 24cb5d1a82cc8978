"""One measured figure beside its floor, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A figure. `floor` is the same work done without ReplyX, in `unit`; `ratio` compares the two as `goal` says.

    `is_met` is None where the goal cannot be told in this run, or where there is none.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    goal: str = ""
    is_met: bool | None = None


def render(rows: Sequence[Row], title: str = "", console: Console | None = None) -> None:
    """Print the rows as a table."""
    table = Table(title=title or None)
    table.add_column("figure")
    for heading in ("value", "unit", "floor", "ratio"):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    table.add_column("goal")
    table.add_column("")
    for row in rows:
        mark = {True: "[green]ok[/]", False: "[red]missed[/]", None: ""}[row.is_met]
        table.add_row(row.name, _number(row.value), row.unit, _number(row.floor), _number(row.ratio), row.goal, mark)
    (console or Console()).print(table)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"
