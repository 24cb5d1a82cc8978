"""A newer version of a document takes the old one's place when it is ready, and not before."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from replyx.errors import NotFound
from replyx.events.memory import MemoryBus
from replyx.knowledge.views import DocumentView, IngestProgress
from replyx.storage.database import Database
from tests.conftest import Configure
from tests.domain.library import Library, make_assistant
from tests.support.clock import MovableClock
from tests.support.pdfs import mixed_pdf


@pytest.fixture
def library(db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure) -> Library:
    return Library(db, bus, clock, configure())


def _newer(library: Library, old: DocumentView, text: str) -> DocumentView:
    content = io.BytesIO(text.encode())
    return library.knowledge.add_document(library.owner, library.assistant, "notes.txt", content, None, old.id)


def _says(library: Library) -> str:
    return " ".join(p.text for p in library.knowledge.search(library.assistant, "сколько стоит доставка").passages)


def _files(library: Library) -> list[Path]:
    return list((library.config.data_dir / "uploads").iterdir())


def test_the_old_version_answers_until_the_new_one_is_ready(library: Library) -> None:
    old = library.teach("Доставка стоит сто рублей.")
    new = _newer(library, old, "Доставка стоит двести рублей.")
    heard: list[str] = []

    def look(progress: IngestProgress) -> None:
        if progress.stage != "done":
            heard.append(_says(library))

    view = library.knowledge.ingest(new.id, look)

    assert view is not None
    assert (view.status, view.replaces) == ("completed", old.id)
    assert set(heard) == {"Доставка стоит сто рублей."}
    assert _says(library) == "Доставка стоит двести рублей."
    with pytest.raises(NotFound):
        library.knowledge.get_document(library.owner, old.id)
    assert len(_files(library)) == 1
    assert library.knowledge.rows_in_index(library.assistant) == 1


def test_a_new_version_that_cannot_be_read_leaves_the_old_one(library: Library) -> None:
    old = library.teach("Доставка стоит сто рублей.")

    view = library.knowledge.ingest(_newer(library, old, "--- *** ---").id)

    assert view is not None
    assert view.status == "failed"
    assert _says(library) == "Доставка стоит сто рублей."


def test_a_version_of_a_version_that_failed_takes_the_place_of_both(library: Library) -> None:
    old = library.teach("Доставка стоит сто рублей.")
    broken = _newer(library, old, "--- *** ---")
    library.knowledge.ingest(broken.id)

    library.knowledge.ingest(_newer(library, broken, "Доставка стоит двести рублей.").id)

    assert _says(library) == "Доставка стоит двести рублей."
    assert len(library.knowledge.list_documents(library.owner)[0]) == len(_files(library)) == 1


def test_only_a_document_of_the_same_assistant_is_replaced(library: Library) -> None:
    other = make_assistant(library.db, library.clock, library.owner, "Второй")
    theirs = library.teach("Чужое.", assistant=other)

    with pytest.raises(NotFound):
        _newer(library, theirs, "Доставка стоит двести рублей.")

    assert len(_files(library)) == 1


def test_a_document_says_which_of_its_pages_are_pictures(library: Library) -> None:
    view = library.teach(mixed_pdf(["Delivery is free."]), "a.pdf")

    assert (view.status, view.pages, view.scanned) == ("completed", 2, (2,))
    assert view.as_json()["scanned_pages"] == [2]
