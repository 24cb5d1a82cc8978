"""Tables as lines of text: each row with the names of its columns, so that a row alone still says what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Longest cell that may name a column, in characters.
_LONGEST_NAME = 60
_DIGIT = re.compile(r"\d")
_ONE_LINE = re.compile(r"\s+")


def table_lines(rows: Sequence[Sequence[str]], *, has_header: bool | None = None) -> list[str]:
    """One line a row: `Column: cell | Column: cell` below a header, else `cell | cell`; empty cells are left out.

    `has_header` None: judged by the looks of the first row. What stands above the table in a row of its own is a line.
    """
    filled = [[_ONE_LINE.sub(" ", cell).strip() for cell in row] for row in rows]
    filled = [row for row in filled if any(row)]
    above: list[str] = []
    while has_header is None and len(filled) > 2 and sum(map(bool, filled[0])) == 1 and _width(filled[1]) > 1:
        above.append(" ".join(filter(None, filled.pop(0))))
    if len(filled) > 1 and (_looks_like_header(filled) if has_header is None else has_header):
        names = filled.pop(0)
        return [*above, *(_named(names, row) for row in filled)]
    return [*above, *(" | ".join(filter(None, row)) for row in filled)]


def _width(row: Sequence[str]) -> int:
    return sum(map(bool, row))


def _named(names: Sequence[str], row: Sequence[str]) -> str:
    pairs = zip([*names, *[""] * (len(row) - len(names))], row, strict=False)
    return " | ".join(f"{name.rstrip(':')}: {cell}" if name else cell for name, cell in pairs if cell)


def _looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    first, rest = rows[0], rows[1:]
    names = [cell for cell in first if cell]
    width = max(_width(row) for row in rest)
    plain = len(set(names)) == len(names) and all(len(n) <= _LONGEST_NAME and not _DIGIT.match(n) for n in names)
    if not plain or len(names) < 2 or len(names) < width:
        return False
    if len(names) > 2:
        return True
    # Two columns are as often a list of terms: it takes numbers under a word to make it a table.
    below = [row[1] for row in rest if len(row) > 1 and row[1]]
    return not _DIGIT.search(first[-1]) and sum(bool(_DIGIT.search(cell)) for cell in below) * 2 > len(below)
