"""Searching what an assistant knows: in memory where that is little, in LanceDB where it is much.

LanceDB (`vectors.py`) keeps every vector, on disk, for all processes. A query to it costs 3 to 5 ms however few rows
there are, while numpy compares a thousand vectors in 0.1 ms; so an assistant of up to `IN_MEMORY` items is loaded from
LanceDB and the database once for each change of its knowledge, and searched in memory. Above that both of LanceDB's
indexes bring candidates. Either way the same `Ranked` scores them.

The index follows the database. Rows it lacks are embedded and added when they are noticed, rows it should not have are
deleted; while that goes on in the background, words alone answer for what has no vector yet. So a LanceDB that was
deleted, or is broken, never stops an answer.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from replyx.errors import ReplyXError
from replyx.knowledge.corpus import Corpus, Entry
from replyx.knowledge.embedders import Embedder
from replyx.knowledge.ranking import Item, Lexicon, Question, Ranked
from replyx.knowledge.vectors import IndexBroken, Row, VectorStore
from replyx.knowledge.words import sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

#: Items of one assistant that are searched in memory: 20 MB of vectors, 1 to 2 ms a query.
IN_MEMORY = 10_000
#: Items of all assistants that one process keeps in memory.
_IN_MEMORY_TOTAL = 40_000
#: Items that are embedded at once in the middle of a search; more are left to the background.
_AT_ONCE = 16
#: Items that are embedded and stored in one go.
BATCH = 32
#: Rows that each of LanceDB's two lookups brings.
_CANDIDATES = 24
#: Rows whose words stand for a large assistant's.
_SAMPLE = 10_000

Progress = Callable[[int, int], None]


class Searchable(Protocol):
    """One assistant's knowledge at one revision."""

    size: int

    def best(self, question: Question, limit: int) -> list[tuple[Item, float]]:
        """Items with scores, best first."""

    def pairs(self, question: Question) -> list[tuple[int, float]]:
        """Q&A pairs' ids with the cosine of their questions to `question`, nearest first."""


class Index:
    """The searches of one process, and the upkeep of LanceDB."""

    def __init__(self, corpus: Corpus, store: VectorStore, embedder: Embedder, *, in_memory: int = IN_MEMORY) -> None:
        """`in_memory` is the number of an assistant's items up to which they are searched in memory."""
        self._corpus, self._store, self._embedder = corpus, store, embedder
        self._in_memory = in_memory
        self._loaded: OrderedDict[int, tuple[int, Searchable]] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = [threading.Lock() for _ in range(16)]
        self._mending: set[int] = set()
        self._closed = threading.Event()

    def question(self, text: str) -> Question:
        """`text` ready to be searched for."""
        return Question(text, self._embedder.embed_query)

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
        """Rows of `entries`, embedded batch by batch; `progress(done, of)` may raise to end it."""
        rows: list[Row] = []
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            vectors = self._meanings(batch)
            rows += [
                Row(e.item_id, assistant_id, e.document_id, e.digest, sentences(e.words), vector)
                for e, vector in zip(batch, vectors, strict=True)
            ]
            if progress is not None:
                progress(len(rows), len(entries))
        return rows

    def _meanings(self, entries: Sequence[Entry]) -> NDArray[np.float32]:
        import numpy as np

        headings = list(dict.fromkeys(entry.heading for entry in entries if entry.heading))
        made = self._embedder.embed_passages([*(entry.meaning for entry in entries), *headings])
        place = {heading: len(entries) + n for n, heading in enumerate(headings)}
        vectors: NDArray[np.float32] = made[: len(entries)].copy()
        for row, entry in enumerate(entries):
            if entry.heading:
                vectors[row] += made[place[entry.heading]]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors

    def sync(self, assistant_id: int, progress: Progress | None = None) -> int:
        """Make LanceDB's rows of the assistant what the database says; returns how many were added.

        Raises:
            IndexBroken: LanceDB cannot be written.
        """
        self._store.refresh()
        entries = self._corpus.entries(assistant_id)
        stored, _ = self._store.load(assistant_id)
        missing = [e for e in entries if stored.get(e.item_id, (None,))[0] != e.digest]
        self._store.remove_items(sorted(stored.keys() - self._corpus.known_ids(assistant_id)))
        done = 0

        def tell(embedded: int, _: int) -> None:
            if progress is not None:
                progress(done + embedded, len(missing))

        while done < len(missing) and not self._closed.is_set():
            batch = missing[done : done + BATCH * 8]
            self._store.add(self.embed(batch, assistant_id, tell))
            done += len(batch)
        self.forget(assistant_id)
        return len(missing)

    def remove_surplus(self) -> int:
        """Delete the rows of LanceDB that the database knows nothing of; returns how many."""
        by_assistant: dict[int, set[int]] = defaultdict(set)
        for assistant_id, item in self._store.ids():
            by_assistant[assistant_id].add(item)
        surplus = [item for one, items in by_assistant.items() for item in items - self._corpus.known_ids(one)]
        for start in range(0, len(surplus), 1000):
            self._store.remove_items(surplus[start : start + 1000])
        return len(surplus)

    def is_near(self, cosine: float) -> bool:
        """Whether two questions with this cosine may mean the same."""
        return cosine >= self._embedder.near

    def forget(self, assistant_id: int) -> None:
        """Drop the copy in memory; the next search loads it anew."""
        with self._lock:
            self._loaded.pop(assistant_id, None)

    def close(self) -> None:
        """End the work in the background soon."""
        self._closed.set()

    def mend(self, assistant_id: int, *, reset: bool = False) -> None:
        """Bring LanceDB up to date in the background, once at a time for each assistant."""
        with self._lock:
            if assistant_id in self._mending or self._closed.is_set():
                return
            self._mending.add(assistant_id)
        threading.Thread(
            target=self._mend, args=(assistant_id, reset), name=f"knowledge-{assistant_id}", daemon=True
        ).start()

    def _mend(self, assistant_id: int, reset: bool) -> None:
        try:
            if reset:
                self._store.reset()
            added = self.sync(assistant_id)
            logger.info("the index was mended", extra={"assistant_id": assistant_id, "items": added})
        except (IndexBroken, ReplyXError) as error:
            logger.warning("the index cannot be mended", extra={"assistant_id": assistant_id, "reason": str(error)})
        finally:
            with self._lock:
                self._mending.discard(assistant_id)

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
        vectors = self._vectors(assistant_id, entries) if entries else {}
        items = [Item(e.item_id, sentences(e.words), vectors.get(e.item_id)) for e in entries]
        return Small(items, self._embedder)

    def _load_large(self, assistant_id: int, count: int) -> Searchable:
        try:
            self._store.refresh()
            sample = self._store.sample(assistant_id, _SAMPLE)
            stored = self._store.count(assistant_id)
        except IndexBroken as error:
            logger.warning("the index is broken", extra={"assistant_id": assistant_id, "reason": str(error)})
            self.mend(assistant_id, reset=True)
            return Small([], self._embedder)
        if stored != count:
            self.mend(assistant_id)
        return Large(assistant_id, Lexicon.of(sample, stored), self._store, self._embedder)

    def _vectors(self, assistant_id: int, entries: Sequence[Entry]) -> dict[int, NDArray[np.float32]]:
        """Item id → its vector, of items whose vector is current; what is missing is seen to."""
        try:
            stored, matrix = self._stored(assistant_id)
        except IndexBroken as error:
            logger.warning("the index is broken", extra={"assistant_id": assistant_id, "reason": str(error)})
            self.mend(assistant_id, reset=True)
            return {}
        found = {
            e.item_id: matrix[stored[e.item_id][1]]
            for e in entries
            if e.item_id in stored and stored[e.item_id][0] == e.digest
        }
        missing = [e for e in entries if e.item_id not in found]
        if len(missing) > _AT_ONCE:
            self.mend(assistant_id)
        elif missing:
            rows = self.embed(missing, assistant_id)
            found.update({row.item_id: row.vector for row in rows})
            try:
                self._store.add(rows)
            except IndexBroken as error:
                logger.warning("the index cannot be written", extra={"reason": str(error)})
        return found

    def _stored(self, assistant_id: int) -> tuple[dict[int, tuple[int, int]], NDArray[np.float32]]:
        try:
            self._store.refresh()
            return self._store.load(assistant_id)
        except IndexBroken:
            # Another process may have made the table anew, which a handle to the old one cannot see.
            return self._store.load(assistant_id)


class Small:
    """Knowledge in memory."""

    def __init__(self, items: Sequence[Item], embedder: Embedder) -> None:
        self.size = len(items)
        self._embedder = embedder
        self._ranked = Ranked(items, Lexicon.of([item.sentences for item in items]), embedder.dim)
        self._pairs = [item for item in items if item.id < 0]

    def best(self, question: Question, limit: int) -> list[tuple[Item, float]]:
        return self._ranked.best(question, limit, self._embedder.similarity)

    def pairs(self, question: Question) -> list[tuple[int, float]]:
        return _nearest(question, self._pairs)


class Large:
    """Knowledge on disk."""

    def __init__(self, assistant_id: int, lexicon: Lexicon, store: VectorStore, embedder: Embedder) -> None:
        self.size = 0
        self._assistant_id, self._lexicon, self._store, self._embedder = assistant_id, lexicon, store, embedder

    def best(self, question: Question, limit: int) -> list[tuple[Item, float]]:
        ranked = Ranked(self._candidates(question), self._lexicon, self._embedder.dim, only=frozenset(question.stems))
        return ranked.best(question, limit, self._embedder.similarity)

    def pairs(self, question: Question) -> list[tuple[int, float]]:
        return _nearest(question, self._candidates(question))

    def _candidates(self, question: Question) -> list[Item]:
        try:
            return self._store.candidates(self._assistant_id, question, _CANDIDATES)
        except IndexBroken as error:
            logger.warning("the index is broken", extra={"assistant_id": self._assistant_id, "reason": str(error)})
            return []


def _nearest(question: Question, items: Sequence[Item]) -> list[tuple[int, float]]:
    found = [(-item.id, item.likeness(question.vector)) for item in items if item.id < 0]
    return sorted(found, key=lambda row: (-row[1], row[0]))
