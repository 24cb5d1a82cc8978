"""What an assistant knows: documents, Q&A pairs, and the search over both. The one door for the layers above."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import peewee

from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import ConfigError, ServiceUnavailable
from replyx.events.bus import Bus
from replyx.knowledge.compacting import Compaction
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.documents import Documents, access_assistant
from replyx.knowledge.embedders import Embedder, EmbedderSpec, make_embedder, make_second
from replyx.knowledge.extract import clean
from replyx.knowledge.grouping import group
from replyx.knowledge.index import Index
from replyx.knowledge.ingestion import Ingestion
from replyx.knowledge.layers import Layer
from replyx.knowledge.neighbours import Neighbours
from replyx.knowledge.places import place_of
from replyx.knowledge.qa import QaPairs
from replyx.knowledge.qa_files import FileKind, read_pairs, write_pairs
from replyx.knowledge.quota import Quota
from replyx.knowledge.reranking import CANDIDATES, Reranker
from replyx.knowledge.sites import Sites
from replyx.knowledge.switching import Switching
from replyx.knowledge.uploads import Uploads
from replyx.knowledge.vectors import IndexBroken, VectorStore
from replyx.knowledge.views import DocumentView, IngestProgress, QaImport, QaView, SearchResult
from replyx.llm.engine import Passage
from replyx.plugins.host import Host
from replyx.security.fetching import Outgoing
from replyx.security.outgoing import OutgoingUrls
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk, Document, QaPair
from replyx.tasks.queue import TaskQueue
from replyx.types import Actor

logger = logging.getLogger(__name__)

#: Score from which the best passage is good enough to answer from; scores are calibrated to it (see `ranking.py`).
THRESHOLD = 0.5
#: Passages below this are of no use to anyone.
_NOISE = 0.02
#: Longest question that is searched for, in characters: what follows adds time and no meaning.
_MAX_QUERY = 2000


class Knowledge:
    """Documents, Q&A pairs and search of all assistants."""

    def __init__(
        self, db: Database, bus: Bus, clock: Clock, queue: TaskQueue, config: Config, plugins: Host | None = None
    ) -> None:
        """Wire the parts; nothing is opened or loaded before it is used.

        Raises:
            ConfigError: the embedder that is configured is not installed.
        """
        self._db = db
        settings, host = config.knowledge, plugins or Host()
        self._corpus = Corpus(db)
        self._reranker = Reranker(settings)
        self._neighbours, self._neighbour_tokens = Neighbours(db), settings.neighbour_tokens
        #: Where the index lies.
        self.place = place_of(config, db)
        self._compaction = Compaction(self.place, settings.compact_memory_mb)
        wanted = EmbedderSpec.of(settings)
        first = self._layer(make_embedder(wanted))
        #: Elsewhere other processes answer; and an API is not asked for what may not be needed.
        self._expects = config.is_embedded and wanted.name != "api"
        second = make_second(settings.second, first.embedder)
        self._index = Index(
            self._corpus,
            first,
            self._layer(second, is_searched=False) if second is not None else None,
            config.data_dir / "knowledge-second.lock",
        )
        self._switching = Switching(
            self._index, self._corpus, wanted, lambda spec: self._layer(make_embedder(spec)), config.data_dir
        )
        uploads = Uploads(config.data_dir / "uploads", settings.max_file_bytes)
        quota = Quota(db, settings.max_documents, settings.max_storage_bytes)
        self._documents = Documents(db, clock, queue, self._corpus, uploads, quota, self._index, host)
        self._ingestion = Ingestion(db, self._corpus, uploads, self._index, settings, host, self._documents)
        self._qa = QaPairs(db, clock, self._corpus, self._index)
        #: Web sites that are read, and read again.
        self.sites = Sites(db, clock, queue, self._documents, _outgoing(config), settings)

    def _layer(self, embedder: Embedder, *, is_searched: bool = True) -> Layer:
        store = VectorStore(self.place, embedder.id, lambda: embedder.dim, is_searched=is_searched)
        return Layer(self._corpus, store, embedder)

    def add_document(
        self,
        actor: Actor,
        assistant_id: int,
        filename: str,
        content: BinaryIO,
        content_type: str | None = None,
        replaces: int | None = None,
        *,
        keep: Callable[[DocumentView], object] | None = None,
    ) -> DocumentView:
        """Store a file and ask a worker to read it; `filename` is kept only as a label.

        The document `replaces` goes on answering until the new one is ready, and is deleted with that.
        `keep` is called in the transaction that makes the document; what it raises undoes it.

        Raises:
            NotFound: no such assistant of the actor's. ValidationFailed: the file is empty.
            FileTooLarge: over `knowledge.max_file_bytes`. UnsupportedFormat: none of the formats that can be read.
            UploadQuotaExceeded: the assistant's owner has as many documents, or bytes of them, as a tenant may.
        """
        return self._documents.add(actor, assistant_id, filename, content, content_type, keep, replaces=replaces)

    def list_documents(
        self, actor: Actor, *, assistant_id: int | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[DocumentView], int]:
        """The actor's documents, newest first, and how many there are in all."""
        return self._documents.list_for(actor, assistant_id, limit, offset)

    def get_document(self, actor: Actor, document_id: int) -> DocumentView:
        """Raises NotFound where there is none of the actor's."""
        return self._documents.get(actor, document_id)

    def rename_document(self, actor: Actor, document_id: int, filename: str) -> DocumentView:
        """Give a document another label.

        Raises:
            NotFound: there is none of the actor's. ValidationFailed: the name is empty.
        """
        return self._documents.rename(actor, document_id, filename)

    def find_document(self, assistant_id: int, filename: str) -> DocumentView | None:
        """The newest document of that name that did not fail; whoever asks has been let to the assistant."""
        found = self._documents.newest_of(assistant_id, filename)
        return DocumentView.of(found) if found is not None else None

    def document_file(self, actor: Actor, document_id: int) -> tuple[DocumentView, Path]:
        """A document and where its file is. Raises NotFound where either is gone."""
        return self._documents.file_of(actor, document_id)

    def missing_files(self) -> tuple[int, int]:
        """How many of the newest documents have no file here, and how many were looked for."""
        return self._documents.missing_files()

    def delete_document(self, actor: Actor, document_id: int) -> None:
        """Delete a document, its chunks, its file and its rows of the index; it is not found from now on.

        Raises:
            NotFound: there is none of the actor's.
        """
        self._documents.delete(actor, document_id)

    def ingest(self, document_id: int, progress: Callable[[IngestProgress], None] | None = None) -> DocumentView | None:
        """Read a document that waits, up to `completed` or `failed`; None where it is another's or needs nothing."""
        self._switching.attend()
        return self._ingestion.ingest(document_id, progress)

    def due_documents(self) -> list[int]:
        """Ids of documents that wait and that nobody is reading."""
        return self._ingestion.due()

    def add_qa(self, actor: Actor, assistant_id: int, question: str, answer: str, tags: Iterable[str] = ()) -> QaView:
        """Raises NotFound for another's assistant, ValidationFailed for a field that is empty or too long."""
        return self._qa.add(actor, assistant_id, question, answer, tags)

    def list_qa(
        self,
        actor: Actor,
        assistant_id: int | None = None,
        q: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[QaView], int]:
        """The actor's pairs, newest first, and how many there are; `q` keeps those that contain it."""
        return self._qa.list_for(actor, assistant_id, q, limit, offset)

    def import_qa(self, actor: Actor, assistant_id: int, content: bytes, kind: FileKind) -> QaImport:
        """Take the pairs of a file, all or none; a question that is there already gets the new answer.

        Raises:
            NotFound: no such assistant of the actor's. ValidationFailed: an issue for each line that cannot be taken.
        """
        access_assistant(self._db, actor, assistant_id)
        return self._qa.add_all(actor, assistant_id, read_pairs(content, kind))

    def export_qa(self, actor: Actor, assistant_id: int, kind: FileKind) -> str:
        """All pairs of an assistant as a file that `import_qa` takes back. Raises NotFound."""
        return write_pairs(self._qa.all_of(actor, assistant_id), kind)

    def get_qa(self, actor: Actor, qa_id: int) -> QaView:
        """Raises NotFound where there is none of the actor's."""
        return self._qa.get(actor, qa_id)

    def update_qa(
        self,
        actor: Actor,
        qa_id: int,
        question: str | None = None,
        answer: str | None = None,
        tags: Iterable[str] | None = None,
    ) -> QaView:
        """Change what is given. Raises NotFound, ValidationFailed."""
        return self._qa.update(actor, qa_id, question, answer, tags)

    def delete_qa(self, actor: Actor, qa_id: int) -> None:
        """Raises NotFound where there is none of the actor's."""
        self._qa.delete(actor, qa_id)

    def match_qa(self, assistant_id: int, question: str) -> QaView | None:
        """The prepared answer to `question`, if its pair's question is the same or surely means the same."""
        self._switching.attend()
        return self._qa.match(assistant_id, clean(question[:_MAX_QUERY]))

    def search(self, assistant_id: int, query: str, limit: int = 6, threshold: float | None = None) -> SearchResult:
        """The best passages for a question, best first, at most `limit`.

        `threshold` is the least score of an answerable question; None takes the calibrated one. Whoever asks has to
        have been let to the assistant: this looks at no actor.
        """
        self._switching.attend()
        known = self._index.of(assistant_id)
        if known is None or not query.strip():
            return SearchResult((), False, 0.0, known is not None and self._corpus.count(assistant_id) > 0)
        asked = clean(query[:_MAX_QUERY])
        is_reranked = self._reranker.is_wanted
        found = known.best(self._index.question(asked), max(limit, CANDIDATES) if is_reranked else limit)
        scores = [(item.id, score) for item, score in found if score >= _NOISE]
        passages = tuple(self._corpus.passages(assistant_id, scores))
        if is_reranked:
            passages = tuple(self._reranker.ordered(asked, passages)[:limit])
        top = passages[0].score if passages else 0.0
        has_knowledge = bool(found) or self._corpus.count(assistant_id) > 0
        return SearchResult(passages, top >= (THRESHOLD if threshold is None else threshold), top, has_knowledge)

    def surrounded(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """Passages as a model is to read them: with the text around them, in reading order."""
        return self._neighbours.around(passages, self._neighbour_tokens)

    def expect(self, assistant_id: int, query: str) -> None:
        """A hint that `query` will soon be searched for; what the search then needs is made meanwhile."""
        if self._expects:
            self._index.expect(assistant_id, clean(query[:_MAX_QUERY]))

    def group_questions(self, texts: Sequence[str]) -> list[list[int]]:
        """Places of some hundred questions, grouped by meaning, the largest group first, its most typical first."""
        return group(texts, self._index.first.embedder)

    def rebuild(self, assistant_id: int | None = None, progress: Callable[[int, int], None] | None = None) -> int:
        """Make the index anew from the database, of one assistant or of all; returns how many items were embedded.

        Raises:
            ServiceUnavailable: the index cannot be written.
        """
        if assistant_id is None:
            self._switching.finish()
        else:
            self._switching.attend()
        try:
            for layer in self._index.layers:
                if assistant_id is None:
                    layer.store.reset()
                else:
                    layer.store.remove_assistant(assistant_id)
            ids = self._corpus.assistants() if assistant_id is None else [assistant_id]
            added = sum(self._index.sync(one, progress) for one in ids)
            self._index.first.store.compact()
            for one in ids:
                self._index.refine(one, progress)
        except IndexBroken as error:
            raise ServiceUnavailable(
                f"Индекс знаний не записать: {error}", f"The knowledge index cannot be written: {error}"
            ) from error
        return added

    def refine(self, assistant_id: int, progress: Callable[[int, int], None] | None = None) -> int:
        """Make the second layer's vectors of an assistant now instead of in the background; returns how many.

        Raises:
            ServiceUnavailable: the index cannot be written.
        """
        try:
            return self._index.refine(assistant_id, progress)
        except IndexBroken as error:
            raise ServiceUnavailable(
                f"Индекс знаний не записать: {error}", f"The knowledge index cannot be written: {error}"
            ) from error

    def compact(self) -> None:
        """Upkeep: delete what is in the index and not in the database, join small files, drop forgotten uploads."""
        self._documents.remove_forgotten_files()
        if not self._index.first.store.is_open and not self._corpus.has_any():
            return
        self._switching.attend()
        try:
            with self._db.connection():
                wanted = Chunk.select().count() + QaPair.select().count()
            for layer in self._index.layers:
                if layer.store.count() != wanted:
                    layer.remove_surplus()
                self._compaction.of(layer)
            self._index.refine_soon(self._corpus.assistants())
            self._switching.drop_old()
        except IndexBroken as error:
            logger.warning("the index cannot be tidied", extra={"reason": str(error)})

    def stats(self) -> dict[str, Any]:
        """Counts for the health page; loads nothing."""
        with self._db.connection():
            by_status = dict.fromkeys(("processing", "completed", "failed"), 0)
            rows: Any = (
                Document.select(Document.status, peewee.fn.COUNT(Document.id)).group_by(Document.status).tuples()
            )
            by_status.update(dict(rows))
            return {
                "documents": by_status,
                "chunks": Chunk.select().count(),
                "qa_pairs": QaPair.select().count(),
                "embedder": self._index.first.embedder.id,
                "is_loaded": self._index.first.store.is_open,
            }

    def rows_in_index(self, assistant_id: int | None = None) -> int:
        """How many rows the index holds, of an assistant or of all; loads LanceDB.

        Raises:
            ServiceUnavailable: the index cannot be read.
        """
        try:
            store = self._index.first.store
            store.refresh()
            return store.count(assistant_id)
        except IndexBroken as error:
            raise ServiceUnavailable(
                f"Индекс знаний не прочитать: {error}", f"The knowledge index cannot be read: {error}"
            ) from error

    def warm_up(self) -> None:
        """Load the embedder and LanceDB, so that the first question does not wait; not where nothing can be found.

        Raises:
            ConfigError: this processor cannot run LanceDB.
        """
        if not self._corpus.has_any():
            return
        self._switching.attend()
        try:
            for layer in self._index.layers:
                layer.embedder.embed_query("ready")
            self._index.first.store.open()
        except ServiceUnavailable as error:
            logger.warning("the embedder does not answer", extra={"reason": str(error)})
        except IndexBroken as error:
            logger.warning("the index is broken; it is made anew as it is searched", extra={"reason": str(error)})

    def forget_assistant(self, assistant_id: int) -> None:
        """Delete everything that an assistant knows: rows, files, index. To be called before its row is deleted."""
        self._documents.forget_assistant(assistant_id)
        self._index.forget(assistant_id)

    def close(self) -> None:
        """End work in the background soon."""
        self._switching.close()
        self._index.close()
        self._reranker.close()


def _outgoing(config: Config) -> Outgoing:
    try:
        return Outgoing(OutgoingUrls(config.outgoing.allow))
    except ValueError as error:
        raise ConfigError(
            f"outgoing.allow: {error}. Нужна сеть, как в 10.1.2.0/24",
            f"outgoing.allow: {error}. A network is needed, as in 10.1.2.0/24",
        ) from error
