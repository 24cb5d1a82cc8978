"""Documents as people handle them: uploaded, listed, deleted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from replyx.clock import Clock
from replyx.errors import NotFound, ValidationFailed, VirusDetected
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.formats import Format, sniff
from replyx.knowledge.index import Index
from replyx.knowledge.quota import Quota
from replyx.knowledge.uploads import Stored, Uploads, as_label
from replyx.knowledge.views import DocumentView
from replyx.plugins.host import Host
from replyx.plugins.uploads import ScannerUnavailable
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk, Document, QaPair
from replyx.storage.row_counts import kept_count
from replyx.tasks.names import DOCUMENT_INGEST
from replyx.tasks.queue import TaskQueue
from replyx.types import Actor, Role

logger = logging.getLogger(__name__)

#: Documents whose files are looked for.
_NEWEST = 20


class Documents:
    """Rows and files of documents."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        queue: TaskQueue,
        corpus: Corpus,
        uploads: Uploads,
        quota: Quota,
        index: Index,
        plugins: Host,
    ) -> None:
        self._db, self._clock, self._queue = db, clock, queue
        self._corpus, self._uploads, self._quota, self._index, self._plugins = corpus, uploads, quota, index, plugins

    def add(
        self,
        actor: Actor,
        assistant_id: int,
        filename: str,
        content: BinaryIO,
        content_type: str | None,
        keep: Callable[[DocumentView], object] | None = None,
        *,
        replaces: int | None = None,
        url: str | None = None,
    ) -> DocumentView:
        """Store a file and ask for it to be read; `keep` is part of the transaction that makes the row.

        `replaces` answers until it is read, and is deleted then.
        """
        access_assistant(self._db, actor, assistant_id)
        if replaces is not None and self.get(actor, replaces).assistant_id != assistant_id:
            raise _no_document()
        # Who has no room is told so before anything is copied; whether there is room for this file is known only then.
        self._quota.check(assistant_id, 1)
        stored = self._uploads.store(content)
        try:
            label = as_label(filename)
            is_page = url is not None and content_type in ("text/html", "application/xhtml+xml")
            kind = self._kind(stored.head, label, content_type, is_page=is_page)
            self._refuse_virus(stored)
            with self._db.transaction():
                self._quota.check(assistant_id, stored.size, lock=True)
                row = Document.create(
                    assistant=assistant_id,
                    filename=label,
                    content_type=kind,
                    size=stored.size,
                    sha256=stored.sha256,
                    storage_name=stored.name,
                    created_at=self._clock.now(),
                    replaces=replaces,
                    url=url,
                )
                self._db.after_commit(lambda: self._queue.send(DOCUMENT_INGEST, row.id))
                made = DocumentView.of(row)
                if keep is not None:
                    keep(made)
        except BaseException:
            self._uploads.remove(stored.name)
            raise
        return made

    def _kind(self, head: bytes, label: str, content_type: str | None, *, is_page: bool) -> str:
        """The content type under which the file will be read, by us or by a plugin."""
        if is_page:
            # Its name is its title, which says nothing of its format.
            return Format.HTML.value
        extension = label.rpartition(".")[2].lower()
        for extractor in self._plugins.text_extractors:
            if head.strip() and extractor.fits(head, extension):
                return extractor.content_type
        return sniff(head, label, content_type).value

    def _refuse_virus(self, stored: Stored) -> None:
        """Raises VirusDetected. A file that no scanner can look at now waits: it is scanned before it is read."""
        try:
            found = self._plugins.scan(self._uploads.path(stored.name))
        except ScannerUnavailable:
            return
        if found:
            logger.warning("a virus was uploaded", extra={"found": found[:100], "sha256": stored.sha256})
            raise VirusDetected(details={"found": found[:100]})

    def list_for(
        self, actor: Actor, assistant_id: int | None, limit: int, offset: int
    ) -> tuple[list[DocumentView], int]:
        """Documents, newest first, and how many there are in all. Raises NotFound: the assistant is not the actor's."""
        with self._db.connection():
            if assistant_id is not None:
                access_assistant(self._db, actor, assistant_id)
            whose = assistants_of(actor, assistant_id)
            rows = Document.select().where(Document.assistant.in_(whose)).order_by(Document.id.desc())
            page = rows.limit(limit).offset(offset)
            return [DocumentView.of(row) for row in page], kept_count("documents", assistant_id=whose)

    def get(self, actor: Actor, document_id: int) -> DocumentView:
        with self._db.connection():
            return DocumentView.of(self._access(actor, document_id))

    def rename(self, actor: Actor, document_id: int, filename: str) -> DocumentView:
        """Give the document another label; answers cite it by that from now on."""
        if not filename.strip():
            raise ValidationFailed.of("filename", "Имя не может быть пустым", "The name may not be empty")
        with self._db.transaction():
            row = self._access(actor, document_id)
            Document.update(filename=as_label(filename)).where(Document.id == row.id).execute()
            return DocumentView.of(self._access(actor, document_id))

    def delete(self, actor: Actor, document_id: int) -> None:
        """Delete row, chunks, file; the index at once where this process has it open, else by the next upkeep."""
        with self._db.transaction():
            row = self._access(actor, document_id)
            if not self._delete(row):
                raise _no_document()
            self._corpus.changed(row.assistant_id)

    def delete_if_there(self, document_id: int | None) -> None:
        """Delete a document with the versions that it stands for; inside a transaction."""
        row = Document.get_or_none(Document.id == document_id) if document_id is not None else None
        if row is not None:
            self.delete_replaced(row)
            self._delete(row)
            self._corpus.changed(row.assistant_id)

    def delete_replaced(self, row: Document) -> None:
        """Delete the versions that `row` stands for, from the newest to the oldest; inside a transaction."""
        older, seen = row.replaces, {row.id}
        while older is not None and older not in seen:
            seen.add(older)
            found = Document.get_or_none((Document.id == older) & (Document.assistant == row.assistant_id))
            if found is None:
                return
            self._delete(found)
            older = found.replaces

    def newest_of(self, assistant_id: int, filename: str) -> Document | None:
        """The newest document of that name that did not fail."""
        with self._db.connection():
            same = (Document.assistant == assistant_id) & (Document.filename == as_label(filename))
            query = Document.select().where(same & (Document.status != "failed")).order_by(Document.id.desc())
            found: Document | None = query.first()
            return found

    def file_of(self, actor: Actor, document_id: int) -> tuple[DocumentView, Path]:
        """The document and its file. Raises NotFound where either is gone."""
        with self._db.connection():
            row = self._access(actor, document_id)
        path = self._uploads.path(row.storage_name)
        if not path.is_file():
            raise _no_document()
        return DocumentView.of(row), path

    def missing_files(self) -> tuple[int, int]:
        """How many of the newest documents have no file here, and how many were looked for; a virus leaves none."""
        with self._db.connection():
            kept = Document.error_code.is_null() | Document.error_code.not_in(("virus", "lost"))
            newest: Any = Document.select(Document.storage_name).where(kept).order_by(Document.id.desc()).limit(_NEWEST)
            names = [row[0] for row in newest.tuples()]
        return sum(not self._uploads.path(name).is_file() for name in names), len(names)

    def _delete(self, row: Document) -> bool:
        Chunk.delete().where(Chunk.document == row.id).execute()
        is_gone = bool(Document.delete().where(Document.id == row.id).execute())
        self._db.after_commit(lambda: self._uploads.remove(row.storage_name))
        self._db.after_commit(lambda: self._index.if_open(lambda store: store.remove_document(row.id)))
        return is_gone

    def forget_assistant(self, assistant_id: int) -> None:
        """Delete everything that an assistant knows."""
        with self._db.transaction():
            stored: Any = Document.select(Document.storage_name).where(Document.assistant == assistant_id).tuples()
            names = [row[0] for row in stored]
            for table in (Chunk, Document, QaPair):
                table.delete().where(table.assistant == assistant_id).execute()
            self._corpus.changed(assistant_id)
            self._db.after_commit(lambda: self._uploads.remove(*names))
            self._db.after_commit(lambda: self._index.if_open(lambda store: store.remove_assistant(assistant_id)))

    def remove_forgotten_files(self) -> int:
        """Delete files whose upload was cut short before its row was written."""
        with self._db.connection():
            rows: Any = Document.select(Document.storage_name).tuples()
            known = {row[0] for row in rows}
        return self._uploads.remove_forgotten(known)

    def _access(self, actor: Actor, document_id: int) -> Document:
        query = Document.select().join(Assistant).where((Document.id == as_id(document_id)) & owned_by(actor))
        row: Document | None = query.first()
        if row is None:
            raise _no_document()
        return row


def as_id(number: int) -> int:
    """A number from outside as an id that every database can look for; impossible ones become one that nothing has."""
    return number if 0 < number < 2**63 else 0


def owned_by(actor: Actor) -> Any:
    """The condition on assistants under which `actor` may know of what they know; the command line may of all."""
    if actor.role is Role.SYSTEM:
        return Assistant.id.is_null(False)
    if actor.role in (Role.OWNER, Role.ADMIN):
        return Assistant.user == actor.user_id
    return Assistant.id.is_null()


def assistants_of(actor: Actor, assistant_id: int | None) -> Any:
    """A query for the ids of the actor's assistants, or of the one that is named, if it is the actor's."""
    mine = Assistant.select(Assistant.id).where(owned_by(actor))
    return mine if assistant_id is None else mine.where(Assistant.id == as_id(assistant_id))


def access_assistant(db: Database, actor: Actor, assistant_id: int) -> None:
    """Let pass who may change what the assistant knows.

    Raises:
        NotFound: there is no such assistant, or it is another's.
    """
    with db.connection():
        owned = Assistant.select().where((Assistant.id == as_id(assistant_id)) & owned_by(actor))
        if not owned.exists():
            raise NotFound("Ассистент не найден", "No such assistant")


def _no_document() -> NotFound:
    return NotFound("Документ не найден", "No such document")
