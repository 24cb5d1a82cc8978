"""Searching what an assistant knows: in memory where that is little, in LanceDB where it is much.

LanceDB (`vectors.py`) keeps every vector, on disk, for all processes. A query to it costs 3 to 5 ms however few rows
there are, while numpy compares a thousand vectors in 0.1 ms; so an assistant of up to `IN_MEMORY` items is loaded from
LanceDB and the database once for each change of its knowledge, and searched in memory. Above that both of LanceDB's
indexes bring candidates. Either way the same `Ranked` scores them.

A second layer of better, slower vectors is filled in the background; where it knows the best few passages it is asked
what the first leaves in doubt. The index follows the database: rows it lacks are embedded and added when they are
noticed, rows it should not have are deleted. While that goes on in the background, words alone answer for what has no
vector yet. So a LanceDB that was deleted, or is broken, never stops an answer.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from replyx.errors import ReplyXError
from replyx.knowledge.corpus import Corpus, Entry
from replyx.knowledge.embedders import Embedder
from replyx.knowledge.layers import Filling, Layer, Progress
from replyx.knowledge.meaning import Scale
from replyx.knowledge.packed import Known, Row
from replyx.knowledge.ranking import Item, Lexicon, Question, Ranked
from replyx.knowledge.vectors import IndexBroken, VectorStore
from replyx.knowledge.words import sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Items of one assistant that are searched in memory: 20 MB of vectors, 1 to 2 ms a query.
IN_MEMORY = 10_000
#: Items of all assistants that one process keeps in memory.
_IN_MEMORY_TOTAL = 40_000
#: Items that are embedded at once in the middle of a search; more are left to the background.
_AT_ONCE = 16
#: Rows that each of LanceDB's two lookups brings.
_CANDIDATES = 24
#: Rows whose words stand for a large assistant's.
_SAMPLE = 10_000
#: Waits between tries of mending: another process may be at the same files.
_MEND_AGAIN_SECONDS = (1.0, 5.0, 30.0)


class Searchable(Protocol):
    """One assistant's knowledge at one revision."""

    size: int
    has_any: bool

    def best(self, question: Question, limit: int) -> list[tuple[Item, float]]:
        """Items with scores, best first."""

    def pairs(self, question: Question) -> list[tuple[int, float]]:
        """Q&A pairs' ids with the cosine of their questions to `question`, nearest first."""


class Index:
    """The searches of one process, and the upkeep of LanceDB."""

    def __init__(
        self, corpus: Corpus, first: Layer, second: Layer | None, lock_file: Path, *, in_memory: int = IN_MEMORY
    ) -> None:
        """`second` is asked where `first` leaves a doubt; it is filled in the background, under `lock_file`.

        `in_memory` is the number of an assistant's items up to which they are searched in memory.
        """
        self.first, self.second = first, second
        self._corpus = corpus
        self._in_memory = in_memory
        self._loaded: OrderedDict[int, tuple[int, Searchable]] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = [threading.Lock() for _ in range(16)]
        self._mending: set[int] = set()
        self._closed = threading.Event()
        self._ahead: ThreadPoolExecutor | None = None
        self._filling = Filling(second, lock_file, self.forget) if second is not None else None

    def question(self, text: str) -> Question:
        """`text` ready to be searched for."""
        second = self.second
        return Question(text, _calm(self.first.embedder), _calm(second.embedder) if second else None)

    def expect(self, assistant_id: int, text: str) -> None:
        """Make the vector of a question that will soon be searched for, beside whatever goes on meanwhile.

        Only where this process searches the assistant's knowledge: the embedder remembers it for the search.
        """
        with self._lock:
            known = self._loaded.get(assistant_id)
            if known is None or not known[1].has_any or self._closed.is_set():
                return
            if self._ahead is None:
                self._ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead")
            self._ahead.submit(lambda: self.question(text).vector)

    def of(self, assistant_id: int) -> Searchable | None:
        """The assistant's knowledge as the database has it now; None where there is no such assistant."""
        revision = self._corpus.revision(assistant_id)
        if revision is None:
            return None
        with self._loading[assistant_id % len(self._loading)]:
            with self._lock:
                known = self._loaded.get(assistant_id)
                if known is not None and known[0] == revision:
                    self._loaded.move_to_end(assistant_id)
                    return known[1]
            found = self._load(assistant_id)
            self._keep(assistant_id, revision, found)
            return found

    def embed(self, entries: Sequence[Entry], assistant_id: int, progress: Progress | None = None) -> list[Row]:
        """The first layer's rows of `entries`; `progress(done, of)` may raise to end it."""
        return self.first.rows(entries, assistant_id, progress)

    def sync(self, assistant_id: int, progress: Progress | None = None) -> int:
        """Make the first layer's rows of the assistant what the database says; returns how many were added.

        Raises:
            IndexBroken: LanceDB cannot be written.
        """
        added = self.first.sync(assistant_id, progress, self._closed.is_set)
        self.forget(assistant_id)
        return added

    def refine(self, assistant_id: int, progress: Progress | None = None) -> int:
        """Fill the second layer now; returns how many items were added.

        Raises:
            IndexBroken: LanceDB cannot be written.
        """
        if self.second is None:
            return 0
        added = self.second.sync(assistant_id, progress, self._closed.is_set)
        self.forget(assistant_id)
        return added

    def refine_soon(self, assistant_ids: Iterable[int]) -> None:
        """Fill the second layer in the background."""
        if self._filling is not None:
            self._filling.ask(assistant_ids)

    def remove_surplus(self) -> int:
        """Delete the rows of LanceDB that the database knows nothing of; returns how many."""
        return sum(layer.remove_surplus() for layer in self.layers)

    @property
    def layers(self) -> list[Layer]:
        return [self.first] if self.second is None else [self.first, self.second]

    def if_open(self, action: Callable[[VectorStore], object]) -> None:
        """Do `action` on each table, where LanceDB is loaded."""
        for layer in self.layers:
            layer.store.if_open(action)

    def is_near(self, cosine: float) -> bool:
        """Whether two questions with this cosine may mean the same."""
        return cosine >= self.first.embedder.near

    def forget(self, assistant_id: int) -> None:
        """Drop the copy in memory; the next search loads it anew."""
        with self._lock:
            self._loaded.pop(assistant_id, None)

    def switch(self, first: Layer) -> None:
        """Search by another first layer from now on."""
        with self._lock:
            self.first = first
            self._loaded.clear()

    def close(self) -> None:
        """End the work in the background soon."""
        self._closed.set()
        if self._ahead is not None:
            self._ahead.shutdown(wait=False, cancel_futures=True)
        if self._filling is not None:
            self._filling.close()

    def mend(self, assistant_id: int, *, reset: bool = False) -> None:
        """Bring the first layer up to date in the background, once at a time for each assistant."""
        with self._lock:
            if assistant_id in self._mending or self._closed.is_set():
                return
            self._mending.add(assistant_id)
        threading.Thread(
            target=self._mend, args=(assistant_id, reset), name=f"knowledge-{assistant_id}", daemon=True
        ).start()

    def _mend(self, assistant_id: int, reset: bool) -> None:
        try:
            for seconds in (*_MEND_AGAIN_SECONDS, None):
                if self._is_mended(assistant_id, reset) or seconds is None or self._closed.wait(seconds):
                    break
        finally:
            with self._lock:
                self._mending.discard(assistant_id)

    def _is_mended(self, assistant_id: int, reset: bool) -> bool:
        try:
            if reset:
                self.first.store.reset_if_broken(assistant_id)
            added = self.sync(assistant_id)
        except (IndexBroken, ReplyXError) as error:
            logger.warning("the index cannot be mended", extra={"assistant_id": assistant_id, "reason": str(error)})
            # What was loaded without vectors would be kept else, and nothing would try again.
            self.forget(assistant_id)
            return False
        logger.info("the index was mended", extra={"assistant_id": assistant_id, "items": added})
        return True

    def _keep(self, assistant_id: int, revision: int, found: Searchable) -> None:
        with self._lock:
            self._loaded[assistant_id] = (revision, found)
            self._loaded.move_to_end(assistant_id)
            while len(self._loaded) > 1 and sum(s.size for _, s in self._loaded.values()) > _IN_MEMORY_TOTAL:
                self._loaded.popitem(last=False)

    def _load(self, assistant_id: int) -> Searchable:
        count = self._corpus.count(assistant_id)
        if count > self._in_memory:
            return self._load_large(assistant_id, count)
        entries = self._corpus.entries(assistant_id)
        known = self._first_of(assistant_id, entries) if entries else {}
        second = self._second_of(assistant_id, entries) if entries else {}
        items = []
        for e in entries:
            one, other = known.get(e.item_id), second.get(e.item_id)
            vector, packed = (one.vector, one.parts) if one else (None, None)
            items.append(Item(e.item_id, sentences(e.words), vector, packed, other.parts if other else None))
        return Small(items, self.first.embedder, self.second)

    def _load_large(self, assistant_id: int, count: int) -> Searchable:
        store = self.first.store
        try:
            store.refresh()
            sample = store.sample(assistant_id, _SAMPLE)
            stored = store.count(assistant_id)
        except IndexBroken as error:
            logger.warning("the index is broken", extra={"assistant_id": assistant_id, "reason": str(error)})
            self.mend(assistant_id, reset=True)
            return Small([], self.first.embedder, None)
        if stored != count:
            self.mend(assistant_id)
        self.refine_soon([assistant_id])
        return Large(assistant_id, Lexicon.of(sample, stored), self.first, self.second)

    def _first_of(self, assistant_id: int, entries: Sequence[Entry]) -> dict[int, Known]:
        """What the first layer has of items; what is missing is seen to."""
        try:
            found, missing = self.first.known(assistant_id, entries)
        except IndexBroken as error:
            logger.warning("the index is broken", extra={"assistant_id": assistant_id, "reason": str(error)})
            self.mend(assistant_id, reset=True)
            return {}
        if len(missing) > _AT_ONCE:
            self.mend(assistant_id)
        elif missing:
            try:
                rows = self.embed(missing, assistant_id)
                found.update({row.item_id: Known(row.digest, row.vector, row.parts) for row in rows})
                self.first.store.add(rows)
            except (IndexBroken, ReplyXError) as error:
                logger.warning("the index cannot be written", extra={"reason": str(error)})
        return found

    def _second_of(self, assistant_id: int, entries: Sequence[Entry]) -> dict[int, Known]:
        """What the second layer has of items; what is missing comes in the background."""
        if self.second is None:
            return {}
        try:
            found, missing = self.second.known(assistant_id, entries)
        except IndexBroken as error:
            logger.warning("the second layer is broken", extra={"assistant_id": assistant_id, "reason": str(error)})
            self.refine_soon([assistant_id])
            return {}
        if missing:
            self.refine_soon([assistant_id])
        return found


class Small:
    """Knowledge in memory."""

    def __init__(self, items: Sequence[Item], embedder: Embedder, second: Layer | None) -> None:
        self.size, self.has_any = len(items), bool(items)
        self._embedder = embedder
        self._second = second.embedder.beside if second is not None else None
        self._ranked = Ranked(items, Lexicon.of([item.sentences for item in items]))
        self._pairs = [item for item in items if item.id < 0]

    def best(self, question: Question, limit: int) -> list[tuple[Item, float]]:
        asked = question.among(self._ranked.lexicon)
        return self._ranked.best(asked, limit, _scale_of(self._embedder), self._second)

    def pairs(self, question: Question) -> list[tuple[int, float]]:
        return _nearest(question, self._pairs)


class Large:
    """Knowledge on disk."""

    def __init__(self, assistant_id: int, lexicon: Lexicon, first: Layer, second: Layer | None) -> None:
        self.size, self.has_any = 0, True
        self._assistant_id, self._lexicon, self._first, self._second = assistant_id, lexicon, first, second

    def best(self, question: Question, limit: int) -> list[tuple[Item, float]]:
        embedder, question = self._first.embedder, question.among(self._lexicon)
        ranked = Ranked(self._candidates(question), self._lexicon, only=frozenset(question.stems))
        second = self._second.embedder.beside if self._second is not None else None
        return ranked.best(question, limit, _scale_of(embedder), second, self._completed)

    def pairs(self, question: Question) -> list[tuple[int, float]]:
        return self._unless_broken(lambda store: store.pairs(self._assistant_id, question, _CANDIDATES))

    def _candidates(self, question: Question) -> list[Item]:
        return self._unless_broken(lambda store: store.candidates(self._assistant_id, question, _CANDIDATES))

    def _unless_broken(self, look: Callable[[VectorStore], list[T]]) -> list[T]:
        try:
            return look(self._first.store)
        except IndexBroken as error:
            logger.warning("the index is broken", extra={"assistant_id": self._assistant_id, "reason": str(error)})
            return []

    def _completed(self, items: Sequence[Item]) -> list[Item]:
        if self._second is None:
            return list(items)
        try:
            known = self._second.store.items([item.id for item in items], self._assistant_id)
        except IndexBroken as error:
            logger.warning("the second layer is broken", extra={"reason": str(error)})
            return list(items)
        return [
            replace(item, second=one.parts) if (one := known.get(item.id)) and one.digest == item.digest else item
            for item in items
        ]


def _scale_of(embedder: Embedder) -> Scale:
    """The embedder's scale; any will do where it cannot be asked, as then questions have no vectors either."""
    try:
        return embedder.scale
    except ReplyXError:
        return Scale()


def _calm(embedder: Embedder) -> Callable[[str], NDArray[np.float32]]:
    """Questions' vectors; a model that does not answer stops no search: there are words."""

    def embed(text: str) -> NDArray[np.float32]:
        import numpy as np

        try:
            return embedder.embed_query(text)
        except ReplyXError as error:
            logger.warning("a question has no vector", extra={"embedder": embedder.id, "reason": str(error)})
            return np.zeros(1, dtype=np.float32)

    return embed


def _nearest(question: Question, items: Sequence[Item]) -> list[tuple[int, float]]:
    found = [(-item.id, item.likeness(question.vector)) for item in items if item.id < 0]
    return sorted(found, key=lambda row: (-row[1], row[0]))
