"""What an assistant knows, as the database has it: the record that the index is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from replyx.knowledge.languages import told
from replyx.llm.engine import Passage
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk, Document, QaPair
from replyx.storage.prepared import Prepared, Slot

_REVISION = Prepared(
    lambda: Assistant.select(Assistant.knowledge_revision).where(Assistant.id == Slot("assistant")).limit(1).tuples()
)


@dataclass(frozen=True)
class Entry:
    """A searchable thing: `item_id` is a chunk's id or minus a Q&A pair's.

    `words` is what full text looks at; the vector is made of `meaning` and, where there is one, of `heading` alike:
    a question is often nearer to the heading than to the answer below it.
    """

    item_id: int
    document_id: int
    words: str
    meaning: str
    heading: str | None = None

    @cached_property
    def digest(self) -> int:
        """64 bits that change with the text."""
        text = f"{self.words}\0{self.meaning}\0{self.heading or ''}"
        if language := told(self.words):
            # Its stems are made by rules of their own.
            text += f"\0{language}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def chunk_entry(item_id: int, document_id: int, text: str, heading: str | None) -> Entry:
    """A chunk is searched together with its heading."""
    return Entry(item_id, document_id, f"{heading}\n{text}" if heading else text, text, heading)


def qa_entry(qa_id: int, question: str, answer: str) -> Entry:
    """A pair is found by its question's meaning and by the words of both."""
    return Entry(-qa_id, 0, f"{question}\n{answer}", question)


class Corpus:
    """Reads of the tables that answer a search."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def revision(self, assistant_id: int) -> int | None:
        """How often the assistant's knowledge has changed; None where there is no such assistant."""
        with self._db.connection():
            row = _REVISION.bind(assistant=assistant_id).first()
            return int(row[0]) if row else None

    def changed(self, assistant_id: int) -> None:
        """Count a change; inside the transaction that makes it."""
        Assistant.update(knowledge_revision=Assistant.knowledge_revision + 1).where(
            Assistant.id == assistant_id
        ).execute()

    def count(self, assistant_id: int) -> int:
        """How many entries there are."""
        with self._db.connection():
            chunks = _ready_chunks(assistant_id).count()
            return int(chunks + QaPair.select().where(QaPair.assistant == assistant_id).count())

    def entries(self, assistant_id: int) -> list[Entry]:
        """Everything that may be found, in a fixed order."""
        with self._db.connection():
            columns = (Chunk.id, Chunk.document, Chunk.text, Chunk.heading)
            chunks: Any = _ready_chunks(assistant_id).select(*columns).order_by(Chunk.id).tuples()
            query = QaPair.select(QaPair.id, QaPair.question, QaPair.answer).where(QaPair.assistant == assistant_id)
            pairs: Any = query.order_by(QaPair.id).tuples()
            return [*(chunk_entry(*row) for row in chunks), *(qa_entry(*row) for row in pairs)]

    def known_ids(self, assistant_id: int) -> set[int]:
        """Ids of all items that exist, those of documents still being read among them."""
        with self._db.connection():
            chunks: Any = Chunk.select(Chunk.id).where(Chunk.assistant == assistant_id).tuples()
            pairs: Any = QaPair.select(QaPair.id).where(QaPair.assistant == assistant_id).tuples()
            return {row[0] for row in chunks} | {-row[0] for row in pairs}

    def assistants(self) -> list[int]:
        """Assistants that know something."""
        with self._db.connection():
            with_chunks: Any = Chunk.select(Chunk.assistant).distinct().tuples()
            with_pairs: Any = QaPair.select(QaPair.assistant).distinct().tuples()
            return sorted({row[0] for row in with_chunks} | {row[0] for row in with_pairs})

    def has_any(self) -> bool:
        """Whether there is anything to search on this installation."""
        with self._db.connection():
            return bool(Chunk.select().exists() or QaPair.select().exists())

    def passages(self, assistant_id: int, scores: Sequence[tuple[int, float]]) -> list[Passage]:
        """The passages of items that still exist, in the order given."""
        chunk_ids = [item for item, _ in scores if item > 0]
        pair_ids = [-item for item, _ in scores if item < 0]
        found: dict[int, Passage] = {}
        with self._db.connection():
            if chunk_ids:
                slots = {f"chunk{n}": chunk_id for n, chunk_id in enumerate(chunk_ids)}
                rows = _some_chunks(len(chunk_ids)).bind(assistant=assistant_id, **slots)
                for chunk_id, text, page, heading, document_id, filename, url in rows:
                    found[chunk_id] = Passage(text, 0.0, document_id, filename, page, heading, None, chunk_id, url)
            if pair_ids:
                pairs = QaPair.select().where((QaPair.assistant == assistant_id) & QaPair.id.in_(pair_ids))
                for pair in pairs:
                    found[-pair.id] = Passage(pair.answer, 0.0, heading=pair.question, qa_id=pair.id)
        return [replace(found[item], score=score) for item, score in scores if item in found]


@cache
def _some_chunks(count: int) -> Prepared[Any]:
    """The statement that reads `count` of an assistant's chunks by their ids: `chunk0` and so on."""
    columns = (Chunk.id, Chunk.text, Chunk.page, Chunk.heading, Chunk.document, Document.filename, Document.url)
    wanted = [Slot(f"chunk{n}") for n in range(count)]
    return Prepared(lambda: _ready_chunks(Slot("assistant")).select(*columns).where(Chunk.id.in_(wanted)).tuples())


def _ready_chunks(assistant_id: int | Slot) -> Any:
    joined = Chunk.select().join(Document, on=(Chunk.document == Document.id))
    return joined.where((Chunk.assistant == assistant_id) & (Document.status == "completed"))
