"""The index on disk: LanceDB with the vectors and the stems of every chunk and Q&A pair.

It is a cache of what the database holds, and may be deleted at any time. One table for each embedder; rows are
`(item_id, assistant_id, document_id, digest, stems, vector, packed)`, where `item_id` is a chunk's id or minus a Q&A
pair's, `digest` is of the embedded text (databases use ids again, so an id alone does not prove that a row is current),
and `packed` is what a lookup brings (`packed.py`).
Stems are ours (Russian and English in one column, parted by spaces), so Lance's index only splits them.
Filters hold nothing but integers of our own.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from replyx.errors import ServiceUnavailable
from replyx.knowledge.columns import columns, integers, vectors_of
from replyx.knowledge.lance_table import as_arrow, cluster, make_table
from replyx.knowledge.lookups import Lookups
from replyx.knowledge.packed import Known, Row, known_of, sentences_of
from replyx.knowledge.places import Place
from replyx.knowledge.ranking import Item, Question
from replyx.knowledge.turns import Check, TurnAway, TurnLost

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Fragments, beyond those that joining leaves, from which a write also joins small files and deletes old versions.
_FRAGMENTS = 20
#: How long a version that a reader may still be using is kept.
_KEEP = timedelta(hours=1)
#: Turns that a write takes until it gives up: each was lost, or another writer was met in it.
_TURNS = 5
#: Seconds that a request waits for others who write.
_PATIENCE = 1.0

_BUSY = "other writers are at it all the time"


class IndexBroken(Exception):
    """LanceDB cannot read or write its files; the database still has everything."""


class _Met(Exception):
    """Another writer has changed the table at the same time; nothing was written."""


class VectorStore:
    """One embedder's table. Reads are safe from any thread; writes wait for the turn of their process."""

    def __init__(
        self,
        place: Place,
        embedder_id: str,
        dim: Callable[[], int],
        *,
        keep: timedelta = _KEEP,
        is_searched: bool = True,
    ) -> None:
        """Nothing is opened before the first use.

        Versions of the table are kept for `keep`, for readers that still look at them. A table that is not searched
        but looked up by ids alone needs no clusters. `dim`, the length of a vector, is asked for when it is needed.
        """
        self.name = f"{embedder_id}_packed"
        self.is_searched = is_searched
        self._place, self._dim, self._keep = place, dim, keep
        self._lock = threading.RLock()
        self._writer = threading.RLock()
        self._table: Any = None
        self._check: Check | None = None
        self._left = 1
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
        """Do `action` where LanceDB is loaded, unless others write for longer than a request may wait for.

        What is left undone, here and in processes without LanceDB, the upkeep of some process does.
        """
        if not self.is_open:
            return
        try:
            self._write(lambda: action(self), patience=_PATIENCE)
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
        if (lookups := self._lookups) is not None:
            self._guarded(lookups.refresh)

    def add(self, rows: Sequence[Row]) -> None:
        """Store rows, replacing those of the same items; what is there already is left, as two may have made it."""
        if rows:
            self._write(lambda: self._add(rows))

    def replace_document(self, document_id: int, rows: Sequence[Row]) -> None:
        """Store a document's rows in place of whatever was stored of it."""

        def replace() -> None:
            self._remove(f"document_id = {int(document_id)}")
            self._add(rows)

        self._write(replace)

    def remove_document(self, document_id: int) -> None:
        self._write(lambda: self._remove(f"document_id = {int(document_id)}"))

    def remove_assistant(self, assistant_id: int) -> None:
        self._write(lambda: self._remove(f"assistant_id = {int(assistant_id)}"))

    def remove_items(self, item_ids: Sequence[int]) -> None:
        if item_ids:
            self._write(lambda: self._remove(f"item_id IN ({integers(item_ids)})"))

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
        found = self._guarded(lambda: self._lookups_opened().rows(where, ["packed", "vector"]).result())
        return dict(map(known_of, found["packed"].to_pylist(), vectors_of(found)))

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
        return self._guarded(lambda: self._lookups_opened().candidates(assistant_id, question, limit))

    def pairs(self, assistant_id: int, question: Question, limit: int) -> list[tuple[int, float]]:
        """Ids of Q&A pairs with the cosine of their questions to `question`, the `limit` nearest, nearest first."""
        return self._guarded(lambda: self._lookups_opened().pairs(assistant_id, question, limit))

    def compact(self) -> None:
        """Join small files, drop old versions, bring indexes up to date; cluster the vectors where they are many."""

        def tidy() -> None:
            self._tidy()
            if self.is_searched:
                self._commit(cluster)

        self._write(tidy)

    def hold(self, action: Callable[[Check], T]) -> T:
        """Do `action`, which lets another process write, in our turn; it is to call what it is given, again and again.

        Raises:
            TurnLost: the turn was lost in the middle. IndexBroken: LanceDB cannot be read.
        """
        with self._writer, self._place.turns.taken() as check:
            self._check = check
            try:
                return action(check)
            finally:
                self._check = None

    def reset(self) -> None:
        """Throw the table away and begin with an empty one: the way out of broken files."""
        self._write(self._begin_anew, refreshed=False)

    def reset_if_broken(self, assistant_id: int) -> None:
        """`reset`, unless the table is in an object store and can be read: then it was only out of reach.

        Raises:
            IndexBroken: it cannot be made anew.
        """
        if not (self._place.is_remote and self._can_be_read(assistant_id)):
            self.reset()

    def _can_be_read(self, assistant_id: int) -> bool:
        try:
            self.refresh()
            self.load(assistant_id)
        except IndexBroken as error:
            logger.warning("the index cannot be read", extra={"reason": str(error)})
            return False
        return True

    def _begin_anew(self) -> None:
        # Whoever would open the table meanwhile waits, or it would be made there and thrown away here.
        with self._lock:
            self._table = self._lookups = None
            folder = Path(self._place.uri) / f"{self.name}.lance"
            if not self._place.is_remote and folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
            self._confirm()
            self._guarded(lambda: self._place.connect().drop_table(self.name, ignore_missing=True))
            self.open()

    def drop_others(self, names: Iterable[str]) -> list[str]:
        """Delete the tables of embedders that are not used any more; returns their names."""
        kept = {self.name, *names}

        def drop() -> list[str]:
            connection = self._place.connect()
            found = [name for name in connection.list_tables(limit=1000).tables if name not in kept]
            for name in found:
                self._confirm()
                connection.drop_table(name)
            return found

        return self._write(lambda: self._guarded(drop), refreshed=False)

    def _add(self, rows: Sequence[Row]) -> None:
        there = self._digests(f"item_id IN ({integers(row.item_id for row in rows)})") if rows else {}
        new = [row for row in rows if there.get(row.item_id) != row.digest]
        if stale := [row.item_id for row in new if row.item_id in there]:
            self._remove(f"item_id IN ({integers(stale)})")
        if new:
            self._commit(lambda table: table.add(as_arrow(new, self._dim())))

    def _remove(self, where: str) -> None:
        self._commit(lambda table: table.delete(where))

    def _write(self, action: Callable[[], T], *, refreshed: bool = True, patience: float | None = None) -> T:
        """Do `action` in a turn of ours, again from its beginning where that was lost; join files after many.

        Raises:
            IndexBroken: LanceDB cannot be written, or the turn did not come in `patience` seconds.
        """
        if not self._writer.acquire(timeout=-1 if patience is None else patience):
            raise IndexBroken(_BUSY)
        try:
            if self._check is not None:
                return action()
            for _ in range(_TURNS):
                try:
                    with self._place.turns.taken(patience) as self._check:
                        return self._in_turn(action, refreshed=refreshed)
                except TurnAway:
                    raise IndexBroken(_BUSY) from None
                except (TurnLost, _Met) as error:
                    logger.info("a write to the index begins anew", extra={"reason": type(error).__name__.strip("_")})
                except ServiceUnavailable as error:
                    raise IndexBroken(error.message_en) from error
                finally:
                    self._check = None
        finally:
            self._writer.release()
        raise IndexBroken(_BUSY)

    def _in_turn(self, action: Callable[[], T], *, refreshed: bool) -> T:
        if refreshed:
            self.refresh()
        result = action()
        # Counted in the table: many processes that write once each would never come to twenty writes.
        if self.fragments() >= self._left + _FRAGMENTS:
            self._tidy()
            self._left = self.fragments()
        return result

    def _confirm(self) -> None:
        """That it is still our turn, as late before a commit as can be. Raises TurnLost."""
        if self._check is not None:
            self._check()

    def _commit(self, change: Callable[[Any], T]) -> T:
        """Run `change` on the table while it is our turn."""

        def checked(table: Any) -> T:
            self._confirm()
            changed = change(table)
            if (lookups := self._lookups) is not None:
                lookups.refresh()
            return changed

        return self._do(checked)

    def _tidy(self) -> None:
        self._commit(lambda table: table.optimize(cleanup_older_than=self._keep))

    def _do(self, action: Callable[[Any], T]) -> T:
        """Run `action` on the table; broken files and a table that another process made anew end as IndexBroken."""
        return self._guarded(lambda: action(self._opened()))

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (RuntimeError, ValueError, OSError) as error:
            with self._lock:
                self._table = self._lookups = None
            if "commit conflict" in str(error).lower() and self._check is not None:
                raise _Met from error
            raise IndexBroken(str(error)[:300]) from error

    def _opened(self) -> Any:
        if (table := self._found()) is not None:
            return table
        # Making it is a write: where two would, the second finds it.
        return self._write(lambda: self._found() or self._made(), refreshed=False)

    def _found(self) -> Any:
        """The table, opened where that was not done yet; None where there is none."""
        with self._lock:
            if self._table is None:
                connection = self._place.connect()
                if self.name in connection.list_tables(limit=1000).tables:
                    self._table = connection.open_table(self.name)
            return self._table

    def _lookups_opened(self) -> Lookups:
        if (lookups := self._lookups) is not None:
            return lookups
        # It may have to be made, which is a write: not under our lock, or two threads could wait for each other.
        self._opened()
        with self._lock:
            if self._lookups is None:
                self._lookups = Lookups(self._place.connect_async, self.name)
            return self._lookups

    def _made(self) -> Any:
        with self._lock:
            self._confirm()
            self._table = make_table(self._place.connect(), self.name, self._dim())
            return self._table
