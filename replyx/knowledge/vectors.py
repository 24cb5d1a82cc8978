"""The index on disk: LanceDB with the vectors and the stems of every chunk and Q&A pair.

It is a cache of what the database holds, and may be deleted at any time. One table for each embedder; rows are
`(item_id, assistant_id, document_id, digest, stems, vector, parts)`, where `item_id` is a chunk's id or minus a Q&A
pair's, `digest` is of the embedded text (databases use ids again, so an id alone does not prove that a row is current),
and `parts` are the vectors of its sentences (`meaning.py`).
Stems are ours (Russian and English in one column, parted by spaces), so Lance's index only splits them.
Filters hold nothing but integers of our own.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from replyx.knowledge.columns import columns, integers, sentences_of, vectors_of
from replyx.knowledge.lance import import_lancedb
from replyx.knowledge.lookups import Lookups
from replyx.knowledge.processor import require_avx2
from replyx.knowledge.ranking import Item, Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Fragments, beyond those that joining leaves, from which a write also joins small files and deletes old versions.
_FRAGMENTS = 20
#: How long a version that a reader may still be using is kept.
_KEEP = timedelta(hours=1)
#: Rows from which comparing with every vector is slower than an index of clusters.
_ROWS_FOR_CLUSTERS = 20_000
#: What a lookup brings of a row, beside its vector or its distance.
_COLUMNS = ("item_id", "stems", "parts", "digest")


class IndexBroken(Exception):
    """LanceDB cannot read or write its files; the database still has everything."""


@dataclass(frozen=True)
class Row:
    """One searchable thing as it is stored."""

    item_id: int
    assistant_id: int
    document_id: int
    digest: int
    sentences: list[list[str]]
    vector: NDArray[np.float32]
    parts: bytes


@dataclass(frozen=True)
class Known:
    """What is stored of one item."""

    digest: int
    vector: NDArray[np.float32]
    parts: bytes


class VectorStore:
    """One embedder's table. Reads are safe from any thread; writes queue behind one lock of the whole box."""

    def __init__(
        self,
        uri: str,
        lock_file: Path,
        embedder_id: str,
        dim: Callable[[], int],
        *,
        keep: timedelta = _KEEP,
        is_searched: bool = True,
    ) -> None:
        """Nothing is opened before the first use. `lock_file` is shared by all processes of this box.

        Versions of the table are kept for `keep`, for readers that still look at them. A table that is not searched
        but looked up by ids alone needs no clusters. `dim`, the length of a vector, is asked for when it is needed.
        """
        self.name = f"{embedder_id}_parts"
        self.is_searched = is_searched
        self._uri, self._dim, self._lock_file, self._keep = uri, dim, lock_file, keep
        self._lock = threading.RLock()
        self._writer = threading.RLock()
        self._table: Any = None
        self._is_writing, self._left = False, 1
        self._lookups: Lookups | None = None

    def open(self) -> None:
        """Load LanceDB and the table, which is made where there is none.

        Raises:
            ConfigError: this processor cannot run LanceDB. IndexBroken: its files cannot be read.
        """
        self._do(lambda table: table.count_rows())

    @property
    def is_open(self) -> bool:
        """Whether this process has loaded LanceDB and the table."""
        return self._table is not None

    def if_open(self, action: Callable[[VectorStore], object]) -> None:
        """Do `action` where LanceDB is loaded; elsewhere the upkeep of a process that has it does the same."""
        if not self.is_open:
            return
        try:
            action(self)
        except IndexBroken as error:
            logger.warning("the index cannot be written", extra={"reason": str(error)})

    def version(self) -> int:
        """Goes up with every change of the table."""
        return int(self._do(lambda table: table.version))

    def fragments(self) -> int:
        """In how many pieces the rows are stored."""
        return int(self._do(lambda table: table.stats()["fragment_stats"]["num_fragments"]))

    def refresh(self) -> None:
        """See what other processes have written."""
        self._do(lambda table: table.checkout_latest())
        with self._lock:
            lookups = self._lookups
        if lookups is not None:
            self._guarded(lookups.refresh)

    def add(self, rows: Sequence[Row]) -> None:
        """Store rows, replacing those of the same items; what is there already is left, as two may have made it."""
        if not rows:
            return
        with self._writing():
            there = self._digests(f"item_id IN ({integers(row.item_id for row in rows)})")
            new = [row for row in rows if there.get(row.item_id) != row.digest]
            self.remove_items([row.item_id for row in new if row.item_id in there])
            if new:
                self._do(lambda table: table.add(self._as_arrow(new)))

    def replace_document(self, document_id: int, rows: Sequence[Row]) -> None:
        """Store a document's rows in place of whatever was stored of it."""
        with self._writing():
            self._remove(f"document_id = {int(document_id)}")
            self.add(rows)

    def remove_document(self, document_id: int) -> None:
        with self._writing():
            self._remove(f"document_id = {int(document_id)}")

    def remove_assistant(self, assistant_id: int) -> None:
        with self._writing():
            self._remove(f"assistant_id = {int(assistant_id)}")

    def remove_items(self, item_ids: Sequence[int]) -> None:
        if item_ids:
            with self._writing():
                self._remove(f"item_id IN ({integers(item_ids)})")

    def count(self, assistant_id: int | None = None) -> int:
        """Rows of an assistant, or of all."""
        where = None if assistant_id is None else f"assistant_id = {int(assistant_id)}"
        return int(self._do(lambda table: table.count_rows(where)))

    def load(self, assistant_id: int) -> dict[int, Known]:
        """All of an assistant's rows by item id."""
        return self._known(f"assistant_id = {int(assistant_id)}")

    def items(self, item_ids: Sequence[int], assistant_id: int) -> dict[int, Known]:
        """The rows of some of an assistant's items."""
        if not item_ids:
            return {}
        return self._known(f"assistant_id = {int(assistant_id)} AND item_id IN ({integers(item_ids)})")

    def _known(self, where: str) -> dict[int, Known]:
        wanted = ["item_id", "digest", "vector", "parts"]
        found = self._guarded(lambda: self._lookups_opened().rows(where, wanted).result())
        matrix = vectors_of(found)
        rows = enumerate(columns(found, "item_id", "digest", "parts"))
        return {item: Known(digest, matrix[row], packed) for row, (item, digest, packed) in rows}

    def digests(self, assistant_id: int) -> dict[int, int]:
        """Item id → digest of all of an assistant's rows."""
        return self._digests(f"assistant_id = {int(assistant_id)}")

    def _digests(self, where: str) -> dict[int, int]:
        found = self._do(lambda table: table.search().where(where).select(["item_id", "digest"]).to_arrow())
        return dict(columns(found, "item_id", "digest"))

    def ids(self) -> list[tuple[int, int]]:
        """(assistant, item) of every row."""
        found = self._do(lambda table: table.search().select(["assistant_id", "item_id"]).to_arrow())
        return list(zip(found["assistant_id"].to_pylist(), found["item_id"].to_pylist(), strict=True))

    def sample(self, assistant_id: int, limit: int) -> list[list[list[str]]]:
        """The stems of up to `limit` of an assistant's rows, sentence by sentence."""
        found = self._do(
            lambda table: (
                table.search().where(f"assistant_id = {int(assistant_id)}").select(["stems"]).limit(limit).to_arrow()
            )
        )
        return [sentences_of(text) for text in found["stems"].to_pylist()]

    def candidates(self, assistant_id: int, question: Question, limit: int) -> list[Item]:
        """The `limit` nearest by vector and the `limit` best by words, each once, in no order."""
        return self._guarded(lambda: self._looked_up(self._lookups_opened(), assistant_id, question, limit))

    def pairs(self, assistant_id: int, question: Question, limit: int) -> list[tuple[int, float]]:
        """Ids of Q&A pairs with the cosine of their questions to `question`, the `limit` nearest, nearest first."""
        where, vector = f"assistant_id = {int(assistant_id)} AND item_id < 0", question.vector
        if not vector.any():
            return []
        wanted = ("item_id",)
        found = self._guarded(lambda: self._lookups_opened().near(vector, where, limit, wanted).result())
        return [(-item, 1 - distance) for item, distance in columns(found, "item_id", "_distance")]

    def _looked_up(self, lookups: Lookups, assistant_id: int, question: Question, limit: int) -> list[Item]:
        where = f"assistant_id = {int(assistant_id)}"
        by_words = lookups.worded(question.stems, where, limit, (*_COLUMNS, "vector")) if question.stems else None
        vector = question.vector
        found: dict[int, Item] = {}
        # Without a vector there is nothing near.
        if vector.any():
            near = lookups.near(vector, where, limit, _COLUMNS).result()
            for item, text, packed, digest, distance in columns(near, *_COLUMNS, "_distance"):
                found[item] = Item(item, sentences_of(text), None, 1 - distance, packed, None, digest)
        if by_words is not None:
            rows = by_words.result()
            matrix = vectors_of(rows)
            for row, (item, text, packed, digest) in enumerate(columns(rows, *_COLUMNS)):
                if item not in found:
                    found[item] = Item(item, sentences_of(text), matrix[row], None, packed, None, digest)
        return list(found.values())

    def compact(self) -> None:
        """Join small files, drop old versions, bring indexes up to date; cluster the vectors where they are many."""
        with self._writing():
            self._tidy()
            if self.is_searched:
                self._do(self._cluster)

    def reset(self) -> None:
        """Throw the table away and begin with an empty one: the way out of broken files."""
        # Whoever would open the table meanwhile waits, or it would be made there and thrown away here.
        with self._writing(refreshed=False), self._lock:
            self._table = self._lookups = None
            folder = Path(self._uri) / f"{self.name}.lance"
            if "://" not in self._uri and folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
            self._guarded(lambda: self._connect().drop_table(self.name, ignore_missing=True))
            self.open()

    def drop_others(self, names: Iterable[str]) -> list[str]:
        """Delete the tables of embedders that are not used any more; returns their names."""
        kept = {self.name, *names}

        def drop() -> list[str]:
            connection = self._connect()
            found = [name for name in connection.list_tables(limit=1000).tables if name not in kept]
            for name in found:
                connection.drop_table(name)
            return found

        return self._guarded(drop)

    def _remove(self, where: str) -> None:
        self._do(lambda table: table.delete(where))

    @contextmanager
    def _writing(self, *, refreshed: bool = True) -> Iterator[None]:
        """One writer at a time, in this process and among all processes of the box; joined up after many writes."""
        with self._writer:
            if self._is_writing:
                yield
                return
            self._lock_file.parent.mkdir(parents=True, exist_ok=True)
            with self._lock_file.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._is_writing = True
                try:
                    if refreshed:
                        self.refresh()
                    yield
                    # Counted in the table: many processes that write once each would never come to twenty writes.
                    if self.fragments() >= self._left + _FRAGMENTS:
                        self._tidy()
                        self._left = self.fragments()
                finally:
                    self._is_writing = False

    def _tidy(self) -> None:
        self._do(lambda table: table.optimize(cleanup_older_than=self._keep))

    def _cluster(self, table: Any) -> None:
        rows = table.count_rows()
        if rows < _ROWS_FOR_CLUSTERS or any("vector" in index.columns for index in table.list_indices()):
            return
        from lancedb.index import IvfFlat

        clusters = max(16, rows // 400)
        config = IvfFlat(distance_type="dot", num_partitions=clusters, max_iterations=10, sample_rate=64)
        table.create_index("vector", config=config)

    def _do(self, action: Callable[[Any], T]) -> T:
        """Run `action` on the table; broken files and a table that another process made anew end as IndexBroken."""
        return self._guarded(lambda: action(self._opened()))

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (RuntimeError, ValueError, OSError) as error:
            with self._lock:
                self._table = self._lookups = None
            raise IndexBroken(str(error)[:300]) from error

    def _opened(self) -> Any:
        with self._lock:
            if self._table is None:
                connection = self._connect()
                if self.name in connection.list_tables(limit=1000).tables:
                    self._table = connection.open_table(self.name)
                else:
                    self._table = self._make(connection)
            return self._table

    def _lookups_opened(self) -> Lookups:
        with self._lock:
            if self._lookups is None:
                self._opened()
                self._lookups = Lookups(lambda: import_lancedb().connect_async(self._uri), self.name)
            return self._lookups

    def _connect(self) -> Any:
        require_avx2()
        return import_lancedb().connect(self._uri)

    def _make(self, connection: Any) -> Any:
        from lancedb.index import FTS, Bitmap, BTree

        table = connection.create_table(self.name, schema=self._schema(), exist_ok=True)
        words = FTS(
            with_position=False,
            base_tokenizer="whitespace",
            stem=False,
            remove_stop_words=False,
            ascii_folding=False,
            lower_case=False,
        )
        table.create_index("stems", config=words)
        table.create_index("assistant_id", config=Bitmap())
        table.create_index("item_id", config=BTree())
        return table

    def _schema(self) -> Any:
        import pyarrow

        names = ("item_id", "assistant_id", "document_id", "digest")
        return pyarrow.schema(
            [
                *((name, pyarrow.int64()) for name in names),
                ("stems", pyarrow.string()),
                ("vector", pyarrow.list_(pyarrow.float32(), self._dim())),
                ("parts", pyarrow.binary()),
            ]
        )

    def _as_arrow(self, rows: Sequence[Row]) -> Any:
        import numpy as np
        import pyarrow

        flat = np.concatenate([row.vector for row in rows]).astype(np.float32)
        return pyarrow.table(
            {
                "item_id": [r.item_id for r in rows],
                "assistant_id": [r.assistant_id for r in rows],
                "document_id": [r.document_id for r in rows],
                "digest": [r.digest for r in rows],
                "stems": ["\n".join(" ".join(sentence) for sentence in r.sentences) for r in rows],
                "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), self._dim()),
                "parts": [r.parts for r in rows],
            },
            schema=self._schema(),
        )
