"""Tables that are files of their own: XLSX and ODS by sheets, CSV by its delimiter."""

from __future__ import annotations

import csv
import datetime
import io
from typing import Any

from replyx.knowledge.archive import Archive
from replyx.knowledge.extract import Block, Extract, as_heading, clean
from replyx.knowledge.failures import Unreadable
from replyx.knowledge.plain import decode
from replyx.knowledge.tables import table_lines

#: Most cells of one file: beyond, it is a database.
_MAX_CELLS = 2_000_000
#: Rows of one block.
_BLOCK_ROWS = 200
_DELIMITERS = ",;\t|"


def read_sheets(data: bytes) -> Extract:
    """A workbook; a block's heading is its sheet. Raises Unreadable."""
    import python_calamine

    # The archive is judged before the library sees it.
    Archive(data)
    blocks: list[Block] = []
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        for name in book.sheet_names:
            sheet = book.get_sheet_by_name(name)
            if sheet.total_height * sheet.total_width > _MAX_CELLS:
                raise Unreadable("too_heavy")
            blocks += _blocks([[_shown(cell) for cell in row] for row in sheet.to_python()], name)
    except python_calamine.PasswordError as error:
        raise Unreadable("encrypted") from error
    except (python_calamine.CalamineError, ValueError, OSError) as error:
        raise Unreadable("corrupt") from error
    return Extract(tuple(blocks), pages=0)


def read_csv(data: bytes) -> Extract:
    """A file of separated values; its encoding and delimiter are guessed. Raises Unreadable."""
    text = decode(data).replace("\x00", "")
    csv.field_size_limit(1_000_000)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)))
    except csv.Error as error:
        raise Unreadable("corrupt") from error
    if sum(map(len, rows)) > _MAX_CELLS:
        raise Unreadable("too_heavy")
    return Extract(tuple(_blocks(rows, None)), pages=0)


def delimiter_of(text: str) -> str:
    """The delimiter that cuts most of the first lines into the same number of cells, more than one."""
    lines = [line for line in text[:65_536].splitlines()[:50] if line.strip()]

    def agreement(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) if usual > 1 else 0, usual)

    return max(_DELIMITERS, key=agreement)


def _blocks(rows: list[list[str]], name: str | None) -> list[Block]:
    lines = [line for line in (" ".join(clean(line).split()) for line in table_lines(rows)) if line]
    parts = (lines[start : start + _BLOCK_ROWS] for start in range(0, len(lines), _BLOCK_ROWS))
    return [Block("\n".join(part), None, as_heading(name)) for part in parts]


def _shown(cell: Any) -> str:
    """A cell as people see it: whole numbers without a point, dates without midnight."""
    if isinstance(cell, bool):
        return "да" if cell else "нет"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.10g}"
    if isinstance(cell, datetime.datetime):
        return cell.strftime("%d.%m.%Y" if cell.time() == datetime.time() else "%d.%m.%Y %H:%M")
    if isinstance(cell, datetime.date):
        return cell.strftime("%d.%m.%Y")
    if isinstance(cell, datetime.time):
        return cell.strftime("%H:%M")
    return str(cell)
