"""One model's vectors of all that is searched: made of the database's texts, kept in LanceDB, brought up to date."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from replyx.errors import ReplyXError
from replyx.knowledge.corpus import Corpus, Entry
from replyx.knowledge.embedders import Embedder
from replyx.knowledge.meaning import mean_of, pack, parts
from replyx.knowledge.packed import Known, Row
from replyx.knowledge.vectors import IndexBroken, VectorStore
from replyx.knowledge.words import sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

#: Items that are embedded and stored in one go.
BATCH = 8
#: Batches that are written together.
_WRITTEN = 32
#: How much a thread that fills a layer in the background gives way to those that answer.
_NICE = 10
#: Seconds that closing waits for a batch under way.
_JOIN_SECONDS = 5.0

Progress = Callable[[int, int], None]


class Layer:
    """An embedder with its table."""

    def __init__(self, corpus: Corpus, store: VectorStore, embedder: Embedder) -> None:
        self.store, self.embedder = store, embedder
        self._corpus = corpus

    def rows(
        self,
        entries: Sequence[Entry],
        assistant_id: int,
        progress: Progress | None = None,
        is_ended: Callable[[], bool] = lambda: False,
    ) -> list[Row]:
        """Rows of `entries`, embedded batch by batch, of the first ones where `is_ended` says so meanwhile.

        `progress(done, of)` may raise to end it.
        """
        rows: list[Row] = []
        headings: dict[str, NDArray[np.float32]] = {}
        # New words take long to stem; a model leaves the interpreter to others for most of its time.
        with ThreadPoolExecutor(1, thread_name_prefix="stems") as beside:
            for start in range(0, len(entries), BATCH):
                if is_ended():
                    break
                batch = entries[start : start + BATCH]
                stemmed = beside.submit(lambda some: [sentences(e.words) for e in some], batch)
                meanings = self._meanings(batch, headings)
                rows += [
                    Row(e.item_id, assistant_id, e.document_id, e.digest, words, vector, packed)
                    for e, words, (vector, packed) in zip(batch, stemmed.result(), meanings, strict=True)
                ]
                if progress is not None:
                    progress(len(rows), len(entries))
        return rows

    def _meanings(
        self, entries: Sequence[Entry], above: dict[str, NDArray[np.float32]]
    ) -> list[tuple[NDArray[np.float32], bytes]]:
        """Of each entry its direction and its sentences', headings being half of the one and one of the others.

        `above` has the vectors of headings that were met before, and gets those of new ones.
        """
        import numpy as np

        texts: list[str] = []
        spans = []
        for entry in entries:
            found = parts(entry.meaning)
            spans.append((len(texts), len(texts) + len(found)))
            texts += found
        new = list(dict.fromkeys(e.heading for e in entries if e.heading and e.heading not in above))
        made = self.embedder.embed_passages([*texts, *new])
        above.update(zip(new, made[len(texts) :], strict=True))
        result = []
        for entry, (start, end) in zip(entries, spans, strict=True):
            vector, own = mean_of(made[start:end]), made[start:end]
            if entry.heading:
                heading = above[entry.heading]
                vector, own = mean_of(np.stack([vector, heading])), np.vstack([own, heading])
            result.append((vector, pack(own)))
        return result

    def known(self, assistant_id: int, entries: Sequence[Entry]) -> tuple[dict[int, Known], list[Entry]]:
        """What is stored of `entries` and current, and the entries that have to be embedded.

        Raises:
            IndexBroken: LanceDB cannot be read.
        """
        stored = self._stored(assistant_id)
        found = {e.item_id: one for e in entries if (one := stored.get(e.item_id)) and one.digest == e.digest}
        return found, [e for e in entries if e.item_id not in found]

    def _stored(self, assistant_id: int) -> dict[int, Known]:
        try:
            self.store.refresh()
            return self.store.load(assistant_id)
        except IndexBroken:
            # Another process may have made the table anew, which a handle to the old one cannot see.
            return self.store.load(assistant_id)

    def missing(self, assistant_id: int) -> list[Entry]:
        """The entries that have to be embedded; rows of what is no more are deleted.

        Raises:
            IndexBroken: LanceDB cannot be read or written.
        """
        self.store.refresh()
        entries = self._corpus.entries(assistant_id)
        stored = self.store.digests(assistant_id)
        self.store.remove_items(sorted(stored.keys() - self._corpus.known_ids(assistant_id)))
        return [e for e in entries if stored.get(e.item_id) != e.digest]

    def sync(
        self, assistant_id: int, progress: Progress | None = None, is_ended: Callable[[], bool] = lambda: False
    ) -> int:
        """Make the assistant's rows what the database says; returns how many were added.

        Raises:
            IndexBroken: LanceDB cannot be read or written.
        """
        missing = self.missing(assistant_id)
        done = 0

        def tell(embedded: int, _: int) -> None:
            if progress is not None:
                progress(done + embedded, len(missing))

        while done < len(missing) and not is_ended():
            batch = missing[done : done + BATCH * _WRITTEN]
            rows = self.rows(batch, assistant_id, tell, is_ended)
            self.store.add(rows)
            done += len(rows)
        return done

    def remove_surplus(self) -> int:
        """Delete rows that the database knows nothing of, and what two writers wrote twice; returns how many items.

        Raises:
            IndexBroken: LanceDB cannot be read or written.
        """
        by_assistant: dict[int, Counter[int]] = defaultdict(Counter)
        for assistant_id, item in self.store.ids():
            by_assistant[assistant_id][item] += 1
        surplus = {
            one: items.keys() - self._corpus.known_ids(one) | {item for item, times in items.items() if times > 1}
            for one, items in by_assistant.items()
        }
        for one, items in surplus.items():
            ordered = sorted(items)
            for start in range(0, len(ordered), 1000):
                self.store.remove_items(ordered[start : start + 1000])
            if max(by_assistant[one].values()) > 1:
                self.sync(one)
        return sum(map(len, surplus.values()))


class Filling:
    """Brings a layer up to date in the background, one assistant after another, by one process of the box."""

    def __init__(self, layer: Layer, lock_file: Path, done: Callable[[int], None]) -> None:
        """`done(assistant_id)` is called when an assistant's rows are complete, whichever process made them."""
        self._layer, self._lock_file, self._done = layer, lock_file, done
        self._lock = threading.Lock()
        self._waiting: dict[int, None] = {}
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def ask(self, assistant_ids: Iterable[int]) -> None:
        """See to these assistants, soon."""
        with self._lock:
            if self._closed.is_set():
                return
            self._waiting.update(dict.fromkeys(assistant_ids))
            if self._waiting and self._thread is None:
                name = f"knowledge-{self._layer.store.name}"
                self._thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End within seconds; what is not done is done by the next process that misses it."""
        self._closed.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)

    def _next(self) -> int | None:
        with self._lock:
            if not self._waiting or self._closed.is_set():
                self._thread = None
                return None
            first = next(iter(self._waiting))
            del self._waiting[first]
            return first

    def _work(self) -> None:
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while (assistant_id := self._next()) is not None:
            try:
                if self._fill(assistant_id):
                    self._done(assistant_id)
            except (IndexBroken, ReplyXError) as error:
                logger.warning("a layer cannot be filled", extra={"assistant_id": assistant_id, "reason": str(error)})

    def _fill(self, assistant_id: int) -> bool:
        """Whether the assistant's rows are complete; waits for another process that is at it."""
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock_file.open("a") as file:
            while not _locked(file.fileno()):
                if self._closed.wait(1.0):
                    return False
            added = self._sync(assistant_id)
        if added:
            logger.info("a layer was filled", extra={"assistant_id": assistant_id, "items": added})
        return not self._closed.is_set()

    def _sync(self, assistant_id: int) -> int:
        """Sync the layer, at the second failure with an empty table: the first may be a handle to an old one."""
        for is_last in (False, True):
            try:
                return self._layer.sync(assistant_id, is_ended=self._closed.is_set)
            except IndexBroken as error:
                reason = {"table": self._layer.store.name, "reason": str(error)}
                logger.warning("a layer cannot be read", extra=reason)
                if is_last:
                    self._layer.store.reset_if_broken(assistant_id)
        return self._layer.sync(assistant_id, is_ended=self._closed.is_set)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
