"""The text around found passages: what stands before and after them in their documents, for a model to read along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import peewee

from replyx.llm.engine import Passage
from replyx.llm.prompt import about_tokens
from replyx.llm.sentences import split
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk
from replyx.storage.prepared import Prepared, Slot

#: What tells a chunk's place.
_PLACE = (Chunk.id, Chunk.document, Chunk.position, Chunk.heading)


@dataclass(frozen=True)
class _Place:
    """Where a chunk stands: in which document, as which of its chunks, under which heading."""

    document_id: int
    position: int
    heading: str | None

    def beside(self, step: int) -> tuple[int, int]:
        return self.document_id, self.position + step


class Neighbours:
    """Reads what stands beside chunks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def around(self, passages: Sequence[Passage], tokens: float) -> tuple[Passage, ...]:
        """`passages`, best first, with the text around them, in reading order; no text comes twice.

        The neighbours take about `tokens` together: those of the best passages first, what follows before what
        precedes, and only from under the same heading. Passages that stand together under one heading are put in their
        order, at the place of the best of them.
        """
        places, near = self._read([p.chunk_id for p in passages if p.chunk_id is not None], with_text=tokens > 0)
        shown = {place.beside(0): place.heading for place in places.values()}
        left = tokens
        made = []
        for passage in passages:
            place = places.get(passage.chunk_id or 0)
            texts = {1: "", -1: ""}
            for step in texts:
                key = place.beside(step) if place is not None else (0, 0)
                heading, text = near.get(key, (None, ""))
                if place is None or not text or key in shown or heading != place.heading:
                    continue
                texts[step] = _fitting(text, left, from_end=step < 0)
                if texts[step]:
                    shown[key] = heading
                    left -= about_tokens(texts[step])
            made.append(replace(passage, before=texts[-1], after=texts[1]))
        return tuple(_in_reading_order(made, places, shown))

    def _read(
        self, ids: Sequence[int], *, with_text: bool
    ) -> tuple[dict[int, _Place], dict[tuple[int, int], tuple[str | None, str]]]:
        """Where the chunks stand, and the headings and texts of all that stand beside them."""
        if not ids:
            return {}, {}
        slots = {f"chunk{n}": chunk_id for n, chunk_id in enumerate(ids)}
        with self._db.connection():
            rows = list((_beside if with_text else _where)(len(ids)).bind(**slots))
        places = {row[0]: _Place(*row[1:4]) for row in rows}
        return places, {(row[1], row[4]): (row[5], row[6]) for row in rows if with_text and row[4] is not None}


@cache
def _where(count: int) -> Prepared[Any]:
    """The statement that tells where `count` chunks stand, by their ids: `chunk0` and so on."""
    return Prepared(lambda: _those(count, Chunk.select(*_PLACE)).tuples())


@cache
def _beside(count: int) -> Prepared[Any]:
    """The same with what stands beside each: a row for each neighbour, one without where there is none."""

    def read() -> Any:
        near = Chunk.alias()
        stands_by = near.position.in_((Chunk.position - 1, Chunk.position + 1))
        found = Chunk.select(*_PLACE, near.position, near.heading, near.text)
        found = found.join(near, peewee.JOIN.LEFT_OUTER, on=(near.document == Chunk.document) & stands_by)
        return _those(count, found).tuples()

    return Prepared(read)


def _those(count: int, query: Any) -> Any:
    return query.where(Chunk.id.in_([Slot(f"chunk{n}") for n in range(count)]))


def _fitting(text: str, tokens: float, *, from_end: bool) -> str:
    """As many whole sentences of `text` as fit, from its beginning or its end."""
    if about_tokens(text) <= tokens:
        return text
    units = split(text)
    if from_end:
        starts = (unit.start for unit in units)
        return next((text[start:] for start in starts if about_tokens(text[start:]) <= tokens), "")
    ends = (unit.end for unit in reversed(units))
    return next((text[:end] for end in ends if about_tokens(text[:end]) <= tokens), "")


def _in_reading_order(
    passages: Sequence[Passage], places: dict[int, _Place], shown: dict[tuple[int, int], str | None]
) -> list[Passage]:
    """Passages between which nothing is left out follow each other, where the best of them was."""
    runs: dict[tuple[int, int], tuple[int, int]] = {}
    for key in sorted(shown):
        above = (key[0], key[1] - 1)
        runs[key] = runs[above] if above in shown and shown[above] == shown[key] else key
    best: dict[object, int] = {}
    keys = []
    for rank, passage in enumerate(passages):
        place = places.get(passage.chunk_id or 0)
        run: object = runs[place.beside(0)] if place is not None else rank
        keys.append((best.setdefault(run, rank), place.position if place is not None else 0))
    return [passage for _, passage in sorted(zip(keys, passages, strict=True), key=lambda pair: pair[0])]
