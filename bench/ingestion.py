"""Reading documents: pages and passages a second, beside extraction and embedding called directly."""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import Any

import pypdfium2

from bench.table import Row
from replyx.clock import SystemClock
from replyx.config.loading import load_config
from replyx.events.memory import MemoryBus
from replyx.knowledge.embedders import EmbedderSpec, make_embedder
from replyx.knowledge.knowledge import Knowledge
from replyx.knowledge.views import IngestProgress
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk
from replyx.storage.schema import migrate
from replyx.types import SYSTEM
from tests.support.documents import faq_pdf


class _Nobody:
    """A queue without workers: the bench does the work itself."""

    def send(self, task: str, *args: int | str) -> None:
        """Nothing is to be done by others."""


def run(*, quick: bool) -> list[Row]:
    """A long PDF from upload to `completed`, beside its text's extraction and its passages' embedding alone."""
    with tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder:
        config = load_config(None, {"REPLYX_DATA_DIR": folder, "REPLYX_KNOWLEDGE__SECOND": "none"})
        db = Database(config.database_url, pool=5, timeout=5)
        migrate(db)
        knowledge = Knowledge(db, MemoryBus(), SystemClock(), _Nobody(), config)
        assistant = _assistant(db)
        # Loads the models and LanceDB, whose start has its own row.
        _read(knowledge, assistant, b"Warm up.", "a.txt")
        file = Path(folder) / "long.pdf"
        _bind(file, 150 if quick else 500)
        ours, document, stages = _read(knowledge, assistant, file.read_bytes(), file.name)
        floor, pages = _alone(db, document, file), stages[-1].pages
        db.close()
    ratio = floor / ours
    goal = "≥ 0.9 of the speed of extraction + embedding"
    return [
        Row("ingestion, pages a second", pages / ours, "1/s", pages / floor, ratio, goal, ratio >= 0.9),
        Row("a 500-page PDF searchable after", 500 * ours / pages, "s", goal="≤ 60 s", is_met=500 * ours / pages <= 60),
    ]


def _assistant(db: Database) -> int:
    now = SystemClock().now()
    with db.transaction():
        user = User.create(email="bench@example.com", password_hash="-", token_epoch="-", created_at=now)
        made = Assistant.create(user=user, name="bench", ai_model="extractive", allowed_domains=[], created_at=now)
    return int(made.id)


def _read(knowledge: Knowledge, assistant: int, content: bytes, name: str) -> tuple[float, int, list[IngestProgress]]:
    told: list[IngestProgress] = []
    start = time.perf_counter()
    document = knowledge.add_document(SYSTEM, assistant, name, io.BytesIO(content)).id
    done = knowledge.ingest(document, told.append)
    if done is None or done.status != "completed":
        raise RuntimeError(f"{name} was not read: {done}")
    return time.perf_counter() - start, document, told


def _bind(file: Path, pages: int) -> None:
    """A book of the Debian FAQ in both languages, over and over, up to `pages`."""
    book = pypdfium2.PdfDocument.new()
    while len(book) < pages:
        for language in ("ru", "en"):
            part = pypdfium2.PdfDocument(faq_pdf(language))
            book.import_pages(part, range(min(len(part), pages - len(book))))
            part.close()
    book.save(file)
    book.close()


def _alone(db: Database, document: int, file: Path) -> float:
    """Seconds for the text of every page, and for the vectors of the same passages and headings."""
    with db.connection():
        rows: Any = Chunk.select(Chunk.text, Chunk.heading).where(Chunk.document == document).tuples()
        texts = [text for text, _ in rows]
        headings = list({heading for _, heading in rows if heading})
    embedder = make_embedder(EmbedderSpec("use"))
    start = time.perf_counter()
    pdf = pypdfium2.PdfDocument(file)
    for page in pdf:
        page.get_textpage().get_text_range()
    pdf.close()
    embedder.embed_passages([*texts, *headings])
    return time.perf_counter() - start
