"""The text around found passages: what stands before and after them in their documents, for a model to read along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

from replyx.llm.engine import Passage
from replyx.llm.prompt import about_tokens
from replyx.llm.sentences import split
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk


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
        with self._db.connection():
            columns = (Chunk.id, Chunk.document, Chunk.position, Chunk.heading)
            rows: Any = Chunk.select(*columns).where(Chunk.id.in_(ids)).tuples()
            places = {row[0]: _Place(*row[1:]) for row in rows}
            if not with_text or not places:
                return places, {}
            beside = [
                (Chunk.document == place.document_id) & Chunk.position.in_((place.position - 1, place.position + 1))
                for place in places.values()
            ]
            found: Any = Chunk.select(Chunk.document, Chunk.position, Chunk.heading, Chunk.text)
            near = {(row[0], row[1]): (row[2], row[3]) for row in found.where(reduce(or_, beside)).tuples()}
            return places, near


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
