"""Documents as their owner handles them: uploaded, listed, deleted, and nobody else's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from replyx.errors import FileTooLarge, NotFound, UnsupportedFormat, ValidationFailed
from replyx.events.memory import MemoryBus
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk, Document
from replyx.tasks.names import DOCUMENT_INGEST
from replyx.types import SYSTEM, Actor, Role
from tests.conftest import Configure
from tests.domain.library import Library, make_assistant
from tests.domain.owners import make_user
from tests.support.clock import MovableClock
from tests.support.pdfs import pdf


@pytest.fixture
def library(db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure) -> Library:
    return Library(db, bus, clock, configure(REPLYX_KNOWLEDGE__MAX_FILE_BYTES="2048"))


def _files(library: Library) -> list[Path]:
    folder = library.config.data_dir / "uploads"
    return sorted(folder.iterdir()) if folder.is_dir() else []


class Counting(io.BytesIO):
    """A file that knows how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


def test_an_upload_is_stored_and_waits_for_a_worker(library: Library) -> None:
    view = library.upload("Возврат товара за 14 дней.", "../../Правила возврата.txt")

    assert view.as_json() == {
        "id": view.id, "filename": "Правила возврата.txt", "size": 45, "content_type": "text/plain",
        "status": "processing", "chunks_count": 0, "pages": 0, "error": None, "assistant_id": library.assistant,
        "created_at": "2025-09-01T10:00:00Z", "url": None, "replaces": None, "scanned_pages": [],
    }  # fmt: skip
    assert library.queue.tasks == [(DOCUMENT_INGEST, view.id)]
    assert library.knowledge.due_documents() == [view.id]
    (file,) = _files(library)
    assert file.read_text(encoding="utf-8") == "Возврат товара за 14 дней."
    assert "Правила" not in file.name


def test_a_file_over_the_limit_is_read_no_further_and_not_kept(library: Library) -> None:
    content = Counting(b"a" * 1_000_000)

    with pytest.raises(FileTooLarge) as refused:
        library.knowledge.add_document(library.owner, library.assistant, "a.txt", content)

    assert content.taken == 2049
    assert refused.value.details == {"max_bytes": 2048}
    assert _files(library) == []
    assert library.knowledge.list_documents(library.owner) == ([], 0)


def test_a_file_of_exactly_the_limit_is_taken(library: Library) -> None:
    assert library.upload(b"a" * 2048).size == 2048


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (b"", "a.txt", ValidationFailed),
        (b"no pdf", "a.pdf", UnsupportedFormat),
        (b"PK\x03\x04", "a.zip", UnsupportedFormat),
    ],
)
def test_what_cannot_be_read_is_refused_at_once_and_not_kept(
    library: Library, content: bytes, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        library.upload(content, name)

    assert _files(library) == []
    assert library.queue.tasks == []


def test_documents_are_listed_newest_first_by_pages(library: Library) -> None:
    ids = [library.upload(f"Текст {n}", f"{n}.txt").id for n in range(3)]
    other = make_assistant(library.db, library.clock, library.owner)
    foreign = library.upload("Другое", assistant=other).id

    rows, total = library.knowledge.list_documents(library.owner, assistant_id=library.assistant, limit=2)
    rest, _ = library.knowledge.list_documents(library.owner, assistant_id=library.assistant, limit=2, offset=2)

    assert ([r.id for r in rows], total, [r.id for r in rest]) == (ids[:0:-1], 3, ids[:1])
    assert [r.id for r in library.knowledge.list_documents(library.owner)[0]] == [foreign, *reversed(ids)]


def test_another_tenants_documents_do_not_exist(library: Library) -> None:
    document = library.upload("Тайна").id
    for stranger in (
        make_user(library.db, library.clock, "other@example.com", is_admin=True),
        Actor(Role.VISITOR, dialog_id=1),
        Actor(Role.ANONYMOUS),
    ):
        for deed in (
            lambda who: library.knowledge.get_document(who, document),
            lambda who: library.knowledge.delete_document(who, document),
            lambda who: library.upload("Чужое", actor=who),
        ):
            with pytest.raises(NotFound):
                deed(stranger)
        assert library.knowledge.list_documents(stranger) == ([], 0)
    assert library.knowledge.get_document(SYSTEM, document).id == document


@pytest.mark.parametrize("number", [0, -1, 10**30, 2**63, -(10**30)])
def test_impossible_ids_are_not_found(library: Library, number: int) -> None:
    with pytest.raises(NotFound):
        library.knowledge.get_document(library.owner, number)
    with pytest.raises(NotFound):
        library.upload("Текст", assistant=number)
    with pytest.raises(NotFound):
        library.knowledge.list_documents(library.owner, assistant_id=number)


def test_deleting_a_document_deletes_rows_file_and_what_is_found(library: Library) -> None:
    kept, gone = library.teach("Доставка по городу бесплатна."), library.teach("Возврат товара за 14 дней.")
    assert library.knowledge.search(library.assistant, "возврат товара").answerable

    library.knowledge.delete_document(library.owner, gone.id)

    found = library.knowledge.search(library.assistant, "возврат товара")
    assert not found.answerable
    assert gone.id not in {p.document_id for p in found.passages}
    with library.db.connection():
        assert [row.document_id for row in Chunk.select()] == [kept.id]
        assert [row.id for row in Document.select()] == [kept.id]
    assert len(_files(library)) == 1
    with pytest.raises(NotFound):
        library.knowledge.delete_document(library.owner, gone.id)


def test_a_forgotten_assistant_leaves_nothing(library: Library) -> None:
    library.teach("Доставка по городу бесплатна.")
    library.knowledge.add_qa(library.owner, library.assistant, "Где вы?", "В Казани.")

    library.knowledge.forget_assistant(library.assistant)

    assert library.knowledge.stats()["documents"] == {"processing": 0, "completed": 0, "failed": 0}
    assert (library.knowledge.stats()["chunks"], library.knowledge.stats()["qa_pairs"]) == (0, 0)
    assert _files(library) == []
    assert not library.knowledge.search(library.assistant, "доставка").has_knowledge


def test_a_file_without_a_row_is_deleted_by_the_upkeep_once_it_is_old(library: Library) -> None:
    import os

    library.upload("Текст")
    folder = library.config.data_dir / "uploads"
    for name, age in (("old", 100_000), ("new", 10)):
        (folder / name).touch()
        at = folder.stat().st_mtime - age
        os.utime(folder / name, (at, at))

    library.knowledge.compact()

    assert {p.name for p in _files(library)} & {"old", "new"} == {"new"}
    assert len(_files(library)) == 2


def test_a_document_that_failed_says_what_to_do_in_both_languages(library: Library) -> None:
    view = library.teach(pdf([["Text."]], password="x"), "a.pdf")

    assert (view.status, view.chunks_count) == ("failed", 0)
    assert view.as_json("ru")["error"] == {
        "code": "encrypted", "message": "Файл защищён паролем. Снимите пароль и загрузите файл снова.",
    }  # fmt: skip
    assert "Remove the password" in view.as_json("en")["error"]["message"]
    assert library.knowledge.due_documents() == []
