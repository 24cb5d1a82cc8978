"""From an uploaded file to something that can be found: read, cut, embedded, indexed; by one worker at a time.

A document is claimed under a fence and kept under a lease. Whatever dies in between, the next claim begins anew and
ends the same: chunks replace chunks in one transaction, rows of the index replace rows, and only a holder of the
newest fence may say `completed`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from replyx.config.settings import KnowledgeSettings
from replyx.errors import ReplyXError, ServiceUnavailable
from replyx.knowledge.cage import read_document
from replyx.knowledge.chunking import Piece, chunk
from replyx.knowledge.corpus import Corpus, chunk_entry
from replyx.knowledge.documents import Documents
from replyx.knowledge.extract import Extract
from replyx.knowledge.failures import SENTENCES, Unreadable
from replyx.knowledge.formats import Format
from replyx.knowledge.index import Index
from replyx.knowledge.packed import Row
from replyx.knowledge.uploads import Uploads
from replyx.knowledge.vectors import IndexBroken
from replyx.knowledge.views import DocumentView, IngestProgress
from replyx.plugins.host import Host
from replyx.plugins.uploads import ScannerUnavailable, TextExtractor
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk, Document

logger = logging.getLogger(__name__)

#: Seconds without a heartbeat after which another worker may take a document over.
LEASE_SECONDS = 20.0
#: Claims after which a document is given up: something in it kills whoever reads it.
ATTEMPTS = 5
#: Seconds after which a file that no scanner could look at, or that is out of reach, or got no vectors or no index, is
#: tried again.
_SCAN_AGAIN = 5.0
#: Chunks that are inserted by one statement.
_INSERTED = 200

Tell = Callable[[IngestProgress], None]


class _Lost(Exception):
    """The document is another worker's now, or gone."""


class _NoVectors(Exception):
    """The embedder does not answer now."""


class _NoFolder(Exception):
    """The folder of uploads is not there: a disk or a share that is not mounted; that says nothing of the file."""


class _NoIndex(Exception):
    """Where the index lies is out of reach now."""


class Ingestion:
    """Reads documents for good."""

    def __init__(
        self,
        db: Database,
        corpus: Corpus,
        uploads: Uploads,
        index: Index,
        settings: KnowledgeSettings,
        plugins: Host,
        documents: Documents,
    ) -> None:
        self._db, self._corpus, self._uploads, self._documents = db, corpus, uploads, documents
        self._index, self._settings, self._plugins = index, settings, plugins

    def due(self) -> list[int]:
        """Documents that wait and that nobody is reading, oldest first."""
        with self._db.connection():
            waiting = (Document.status == "processing") & (Document.lease_until < self._db.now_ms())
            rows: Any = Document.select(Document.id).where(waiting).order_by(Document.id).limit(100).tuples()
            return [row[0] for row in rows]

    def ingest(self, document_id: int, progress: Tell | None = None) -> DocumentView | None:
        """Read, chunk, embed and index a document that waits; None where there is nothing to do or it was lost."""
        row = self._claim(document_id)
        if row is None:
            return None
        try:
            if row.attempts > ATTEMPTS:
                return self._fail(row, "gave_up")
            with self._kept(row) as lost:
                return self._work(row, lost, progress or (lambda _: None))
        except Unreadable as error:
            logger.info("a document cannot be read", extra={"document_id": row.id, "error_code": error.code})
            if error.code == "virus":
                self._uploads.remove(row.storage_name)
            return self._fail(row, error.code)
        except (ScannerUnavailable, _NoFolder, _NoVectors, _NoIndex):
            return self._wait(row)
        except _Lost:
            logger.info("a document was taken over or deleted", extra={"document_id": row.id})
            return None

    def _work(self, row: Document, lost: threading.Event, tell: Tell) -> DocumentView:
        state = IngestProgress("reading")

        def at(**changes: Any) -> None:
            nonlocal state
            if lost.is_set():
                raise _Lost
            state = replace(state, **changes)
            tell(state)

        at()
        path, kind = self._uploads.path(row.storage_name), self._kind(row)
        if not path.parent.is_dir():
            raise _NoFolder
        # Again, as no scanner may have answered when it was uploaded, and scanners learn.
        if path.is_file() and self._plugins.scan(path):
            raise Unreadable("virus")
        extract = read_document(path, kind, self._settings, lambda done, of: at(pages_done=done, pages=of))
        pieces = chunk(extract)
        if not pieces:
            raise Unreadable("no_text" if kind is Format.PDF else "empty")
        at(stage="embedding", pages=extract.pages, pages_done=extract.pages, chunks=len(pieces))
        # Ids come with the insert; until then the position stands in for them.
        entries = [chunk_entry(n, row.id, p.text, p.heading) for n, p in enumerate(pieces)]
        try:
            rows = self._index.embed(entries, row.assistant_id, lambda done, _: at(chunks_done=done))
        except ServiceUnavailable as error:
            raise _NoVectors from error
        at(stage="indexing")
        ids = self._replace_chunks(row, pieces)
        self._store_rows(row, [replace(made, item_id=item) for made, item in zip(rows, ids, strict=True)])
        view = self._complete(row, len(pieces), extract)
        at(stage="done")
        return view

    def _kind(self, row: Document) -> Format | TextExtractor:
        # A plugin may take the place of a reader of ours.
        for extractor in self._plugins.text_extractors:
            if extractor.content_type == row.content_type:
                return extractor
        if row.content_type in list(Format):
            return Format(row.content_type)
        raise Unreadable("no_reader")

    def _wait(self, row: Document) -> DocumentView | None:
        """Leave the document for a scanner or an embedder that answers; this was no try at reading it."""
        with self._db.transaction():
            kept = self._ours(row, attempts=Document.attempts - 1, lease_until=self._db.now_ms(_SCAN_AGAIN))
        return self._view(row.id) if kept else None

    def _claim(self, document_id: int) -> Document | None:
        with self._db.transaction():
            free = (Document.status == "processing") & (Document.lease_until < self._db.now_ms())
            claimed = (
                Document.update(
                    fence=Document.fence + 1,
                    attempts=Document.attempts + 1,
                    lease_until=self._db.now_ms(LEASE_SECONDS),
                )
                .where((Document.id == document_id) & free)
                .execute()
            )
            row: Document | None = Document.get_by_id(document_id) if claimed else None
            return row

    @contextmanager
    def _kept(self, row: Document) -> Iterator[threading.Event]:
        """Renew the lease until the end; the event is set once the document is no longer ours."""
        ended, lost = threading.Event(), threading.Event()

        def beat() -> None:
            while not ended.wait(LEASE_SECONDS / 4):
                try:
                    with self._db.transaction():
                        renewed = self._ours(row, lease_until=self._db.now_ms(LEASE_SECONDS))
                except ReplyXError:
                    # The fence decides who was right when the database is back.
                    logger.warning("a lease could not be renewed", extra={"document_id": row.id})
                    continue
                if not renewed:
                    lost.set()
                    return

        thread = threading.Thread(target=beat, name=f"lease-document-{row.id}", daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            ended.set()
            thread.join()

    def _ours(self, row: Document, **changes: Any) -> bool:
        """Change the row if it is still ours; inside a transaction."""
        ours = (Document.id == row.id) & (Document.fence == row.fence) & (Document.status == "processing")
        return bool(Document.update(**changes).where(ours).execute())

    def _replace_chunks(self, row: Document, pieces: list[Piece]) -> list[int]:
        with self._db.transaction():
            if not self._ours(row, lease_until=self._db.now_ms(LEASE_SECONDS)):
                raise _Lost
            Chunk.delete().where(Chunk.document == row.id).execute()
            for start in range(0, len(pieces), _INSERTED):
                Chunk.insert_many(
                    {
                        "assistant": row.assistant_id,
                        "document": row.id,
                        "position": start + offset,
                        "text": piece.text,
                        "heading": piece.heading,
                        "page": piece.page,
                    }
                    for offset, piece in enumerate(pieces[start : start + _INSERTED])
                ).execute()
            stored: Any = Chunk.select(Chunk.id).where(Chunk.document == row.id).order_by(Chunk.position)
            return [found[0] for found in stored.tuples()]

    def _store_rows(self, row: Document, rows: list[Row]) -> None:
        """Write the rows to the index; a broken one is made anew, and other documents' rows follow by themselves."""
        store = self._index.first.store
        try:
            store.replace_document(row.id, rows)
        except IndexBroken as error:
            logger.warning("the index is broken and made anew", extra={"reason": str(error)})
            try:
                store.reset_if_broken(row.assistant_id)
                store.replace_document(row.id, rows)
            except IndexBroken as again:
                raise _NoIndex from again

    def _complete(self, row: Document, chunks: int, extract: Extract) -> DocumentView:
        pages, scanned = extract.pages, list(extract.scanned) or None
        with self._db.transaction():
            changes = {"chunks_count": chunks, "pages": pages, "scanned": scanned, "lease_until": 0}
            done = self._ours(row, status="completed", **changes)
            if done:
                # From here on the new version answers, and the old one does not: both in one transaction.
                self._documents.delete_replaced(row)
                self._corpus.changed(row.assistant_id)
        if not done:
            self._drop_deleted(row)
            raise _Lost
        self._index.refine_soon([row.assistant_id])
        logger.info("a document was read", extra={"document_id": row.id, "chunks": chunks, "pages": pages})
        return self._view(row.id)

    def _drop_deleted(self, row: Document) -> None:
        """Take back what was indexed of a document that was deleted meanwhile."""
        with self._db.connection():
            is_gone = not Document.select().where(Document.id == row.id).exists()
        if is_gone:
            self._index.if_open(lambda store: store.remove_document(row.id))

    def _fail(self, row: Document, code: str) -> DocumentView | None:
        ru, en = SENTENCES[code]
        with self._db.transaction():
            failed = self._ours(row, status="failed", error_code=code, error_ru=ru, error_en=en, lease_until=0)
            if failed:
                Chunk.delete().where(Chunk.document == row.id).execute()
        return self._view(row.id) if failed else None

    def _view(self, document_id: int) -> DocumentView:
        with self._db.connection():
            return DocumentView.of(Document.get_by_id(document_id))
