"""The table of measurements: each figure beside its floor in the same run, because machines differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One figure. `floor` is the same work without ReplyX, in the same unit; `ratio` is the figure to its floor."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    #: What is aimed at, in words, and whether this run reached it; None where nothing is aimed at.
    goal: str = ""
    is_met: bool | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def show(rows: Sequence[Row]) -> None:
    """Print the table for people."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("figure", "ReplyX", "floor", "ratio", "goal", ""):
        table.add_column(title, justify="left" if title in ("figure", "goal", "") else "right")
    for row in rows:
        mark = {True: "met", False: "missed", None: ""}[row.is_met]
        floor = "" if row.floor is None else _number(row.floor, row.unit)
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, _number(row.value, row.unit), floor, ratio, row.goal, mark)
    Console(width=140).print(table)


def _number(value: float, unit: str) -> str:
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f} {unit}".strip()
