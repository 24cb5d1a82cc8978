"""The Debian FAQ, in both languages at once: its questions find their pages, others find nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replyx.config.loading import load_config
from replyx.events.memory import MemoryBus
from replyx.storage.database import Database
from tests.domain.library import Library
from tests.support.clock import MovableClock
from tests.support.documents import faq_pdf

_QUESTIONS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "acceptance" / "faq_questions.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def faq(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Library, dict[str, int]]]:
    folder = tmp_path_factory.mktemp("faq")
    (folder / "replyx.db").write_bytes(sqlite_template.read_bytes())
    (folder / "replyx.toml").touch()
    config = load_config(folder / "replyx.toml", {"REPLYX_DATA_DIR": str(folder)})
    db = Database(config.database_url, pool=5, timeout=5)
    library = Library(db, MemoryBus(), MovableClock(), config)
    documents = {
        "ru": library.teach(faq_pdf("ru").read_bytes(), "debian-faq.ru.pdf").id,
        "en": library.teach(faq_pdf("en").read_bytes(), "debian-faq.en.pdf").id,
    }
    yield library, documents
    db.close()


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_right_page_is_among_the_sources(faq: tuple[Library, dict[str, int]], language: str) -> None:
    library, documents = faq
    missed = []
    asked = [row for row in _QUESTIONS if row["lang"] == language and row["pages"]]
    for row in asked:
        found = library.knowledge.search(library.assistant, row["question"])
        pages = {p.page for p in found.passages if p.document_id == documents[language]}
        if not found.answerable or not pages & set(row["pages"]):
            missed.append(row["question"])

    assert len(asked) == 10
    assert len(missed) <= 1, missed


@pytest.mark.parametrize("question", [row["question"] for row in _QUESTIONS if not row["pages"]])
def test_what_the_faq_cannot_know_is_not_answered(faq: tuple[Library, dict[str, int]], question: str) -> None:
    library, _ = faq

    assert not library.knowledge.search(library.assistant, question).answerable
