"""Gathering blocks while a document goes by: paragraphs under headings, tables inside tables, page after page."""

from __future__ import annotations

from replyx.knowledge.extract import Block, as_heading, clean
from replyx.knowledge.tables import table_lines


class Gatherer:
    """What office formats have in common: whoever walks through one says what begins and what ends."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.page: int | None = None
        self._heading: str | None = None
        self._lines: list[str] = []
        #: Open tables, from the outside in: rows of cells, each cell a list of lines.
        self._tables: list[list[list[list[str]]]] = []

    def paragraph(self, text: str, *, is_item: bool = False) -> None:
        """A paragraph of the document, or of the cell that is open."""
        text = clean(text)
        if not text:
            return
        self._add(f"• {text}" if is_item and not self._tables else text)

    def heading(self, text: str) -> None:
        """A heading; inside a table it is a line like others."""
        if self._tables:
            self.paragraph(text)
            return
        name = as_heading(text)
        if name:
            self.end_block()
            self._heading = name

    def begin_table(self) -> None:
        self._tables.append([])

    def begin_row(self) -> None:
        if self._tables:
            self._tables[-1].append([])

    def begin_cell(self) -> None:
        if self._tables:
            rows = self._tables[-1] or [[]]
            self._tables[-1] = rows
            rows[-1].append([])

    def skip_cells(self, count: int) -> None:
        """Columns that the cell before takes as well, at most a hundred."""
        for _ in range(min(count, 100)):
            self.begin_cell()

    def repeat_cell_above(self) -> None:
        """The open cell goes on with the one above it."""
        rows = self._tables[-1] if self._tables else []
        if len(rows) > 1 and len(rows[-1]) <= len(rows[-2]):
            rows[-1][-1] = list(rows[-2][len(rows[-1]) - 1])

    def end_table(self) -> None:
        if self._tables:
            rows = [["; ".join(cell) for cell in row] for row in self._tables.pop()]
            for line in table_lines(rows):
                self._add(line)

    def end_block(self, *, forget_heading: bool = False) -> None:
        text = "\n".join(self._lines)
        self._lines = []
        if text:
            self.blocks.append(Block(text, self.page, self._heading))
        if forget_heading:
            self._heading = None

    def _add(self, line: str) -> None:
        if not self._tables:
            self._lines.append(line)
        elif self._tables[-1] and self._tables[-1][-1]:
            self._tables[-1][-1][-1].append(" ".join(line.split()))
