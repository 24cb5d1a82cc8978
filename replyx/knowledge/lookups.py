"""LanceDB's lookups through its asynchronous interface: two thirds of what a query costs through the other one.

Both lookups of a search go on at once, in one event loop of this process, while the thread that asked makes the
question's vector. Whoever asks is an ordinary thread, and waits for a `Future`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from functools import cache
from typing import TYPE_CHECKING, Any

from replyx.knowledge.packed import item_of
from replyx.knowledge.ranking import Item, Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Clusters that a query looks into, of about one for every 400 rows. Sentences lie further from their like than made-up
#: vectors do: of the ten nearest of 23,700, 16 of 250 clusters hold 0.87, 32 hold 0.93, 48 hold 0.96.
PROBES = 48


_PACKED = "packed"


class Lookups:
    """Lookups in one table as it was when this was made or last refreshed."""

    def __init__(self, connect: Callable[[], Coroutine[Any, Any, Any]], name: str) -> None:
        """`connect` makes LanceDB's asynchronous connection; `name` is of a table that is there.

        Raises:
            RuntimeError, ValueError, OSError: LanceDB's, as from every method here.
        """

        async def opened() -> Any:
            return await (await connect()).open_table(name)

        self._table = _begin(opened()).result()

    def candidates(self, assistant_id: int, question: Question, limit: int) -> list[Item]:
        """The `limit` nearest by vector and the `limit` best by words, each once, in no order."""
        where = f"assistant_id = {int(assistant_id)}"
        by_words = self._worded(question.stems, where, limit) if question.stems else None
        vector = question.vector
        # Without a vector there is nothing near.
        by_vector = self._near(vector, where, limit) if vector.any() else None
        # Words were asked for first: what they found is made ready while the vectors are compared.
        found = {item.id: item for item in _items(by_words)}
        found.update((item.id, item) for item in _items(by_vector))
        return list(found.values())

    def pairs(self, assistant_id: int, question: Question, limit: int) -> list[tuple[int, float]]:
        """Ids of Q&A pairs with the cosine of their questions to `question`, the `limit` nearest, nearest first."""
        where, vector = f"assistant_id = {int(assistant_id)} AND item_id < 0", question.vector
        if not vector.any():
            return []
        found = [(-item.id, item.likeness(vector)) for item in _items(self._near(vector, where, limit))]
        return sorted(found, key=lambda row: (-row[1], row[0]))

    def rows(self, where: str, columns: Sequence[str]) -> Future[Any]:
        """All rows that a filter lets through."""
        return _begin(self._table.query().where(where).select(list(columns)).to_arrow())

    def refresh(self) -> None:
        """See what has been written since."""
        _begin(self._table.checkout_latest()).result()

    def _near(self, vector: NDArray[np.float32], where: str, limit: int) -> Future[Any]:
        """The `limit` rows with the nearest vectors, as the clusters' rounded numbers have them."""
        query = self._table.query().nearest_to(vector).column("vector").distance_type("dot").nprobes(PROBES)
        return _begin(query.where(where).limit(limit).select([_PACKED, "_distance"]).to_arrow())

    def _worded(self, stems: Sequence[str], where: str, limit: int) -> Future[Any]:
        """The `limit` rows that fit some stems best."""
        from lancedb import query as queries

        # As a class of pydantic's its defaults are not seen by type checkers.
        match: Any = queries.MatchQuery
        query = self._table.query().nearest_to_text(match(" ".join(stems), "stems"))
        return _begin(query.where(where).limit(limit).select([_PACKED, "_score"]).to_arrow())


def _items(found: Future[Any] | None) -> Iterator[Item]:
    if found is not None:
        yield from map(item_of, found.result()[_PACKED].to_pylist())


def _begin(work: Coroutine[Any, Any, Any]) -> Future[Any]:
    return asyncio.run_coroutine_threadsafe(work, _loop())


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="lance-lookups", daemon=True).start()
    return loop
