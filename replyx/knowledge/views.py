"""What edges see of knowledge: frozen values that render themselves as the contract's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from replyx.clock import iso
from replyx.llm.engine import Passage
from replyx.storage.knowledge import Document, QaPair
from replyx.types import Json


@dataclass(frozen=True)
class DocumentError:
    """Why a document failed: a stable word, and a sentence that says what to do."""

    code: str
    message_ru: str
    message_en: str

    def as_json(self, language: str = "ru") -> Json:
        return {"code": self.code, "message": self.message_en if language == "en" else self.message_ru}


@dataclass(frozen=True)
class DocumentView:
    """An uploaded file. `status` is processing, completed or failed; `pages` is 0 where the format has none."""

    id: int
    assistant_id: int
    filename: str
    size: int
    content_type: str
    status: str
    pages: int
    chunks_count: int
    error: DocumentError | None
    created_at: datetime
    #: Where the public can read it; the document that it replaces; its pages that are pictures without text.
    url: str | None = None
    replaces: int | None = None
    scanned: tuple[int, ...] = ()
    sha256: str = ""

    @classmethod
    def of(cls, row: Document) -> DocumentView:
        error = None
        if row.error_code:
            error = DocumentError(row.error_code, row.error_ru or "", row.error_en or "")
        return cls(
            id=row.id,
            assistant_id=row.assistant_id,
            filename=row.filename,
            size=row.size,
            content_type=row.content_type,
            status=row.status,
            pages=row.pages,
            chunks_count=row.chunks_count,
            error=error,
            created_at=row.created_at,
            url=row.url,
            replaces=row.replaces,
            scanned=tuple(row.scanned or ()),
            sha256=row.sha256,
        )

    def as_json(self, language: str = "ru") -> Json:
        """The contract's document, with pages and, where it failed, why."""
        return {
            "id": self.id,
            "filename": self.filename,
            "size": self.size,
            "content_type": self.content_type,
            "status": self.status,
            "chunks_count": self.chunks_count,
            "pages": self.pages,
            "error": self.error.as_json(language) if self.error else None,
            "assistant_id": self.assistant_id,
            "created_at": iso(self.created_at),
            "url": self.url,
            "replaces": self.replaces,
            "scanned_pages": list(self.scanned),
        }


@dataclass(frozen=True)
class QaView:
    """A question with the answer that is given word for word."""

    id: int
    assistant_id: int
    question: str
    answer: str
    tags: tuple[str, ...]
    created_at: datetime

    @classmethod
    def of(cls, row: QaPair) -> QaView:
        return cls(row.id, row.assistant_id, row.question, row.answer, tuple(row.tags or ()), row.created_at)

    def as_json(self) -> Json:
        return {
            "id": self.id,
            "assistant_id": self.assistant_id,
            "question": self.question,
            "answer": self.answer,
            "tags": list(self.tags),
            "created_at": iso(self.created_at),
        }


@dataclass(frozen=True)
class QaImport:
    """What became of the pairs of a file."""

    added: int
    changed: int
    unchanged: int

    def as_json(self) -> Json:
        return {"added": self.added, "changed": self.changed, "unchanged": self.unchanged}


@dataclass(frozen=True)
class IngestProgress:
    """How far a document is: `stage` is reading, embedding, indexing or done."""

    stage: str
    pages_done: int = 0
    pages: int = 0
    chunks_done: int = 0
    chunks: int = 0


@dataclass(frozen=True)
class SearchResult:
    """Passages, best first. `answerable` says whether the best is good enough to answer from."""

    passages: tuple[Passage, ...]
    answerable: bool
    top_score: float
    #: False where the assistant has nothing to search at all.
    has_knowledge: bool
