"""From a file to something that can be found, whoever dies in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from replyx.events.memory import MemoryBus
from replyx.knowledge.ingestion import ATTEMPTS
from replyx.knowledge.views import IngestProgress
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk, Document
from tests.conftest import Configure
from tests.domain.library import Library
from tests.support.clock import MovableClock
from tests.support.documents import REPOSITORY, faq_pdf
from tests.support.pdfs import pdf, scanned_pdf

_SENTENCES = " ".join(f"Пункт {n} правил описывает доставку, оплату и возврат товара номер {n}." for n in range(120))


class Died(BaseException):
    """A process that ends here: nothing catches it."""


@pytest.fixture
def library(db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure) -> Library:
    return Library(db, bus, clock, configure())


def _texts(library: Library) -> list[tuple[int, int, str]]:
    with library.db.connection():
        rows = Chunk.select().order_by(Chunk.document, Chunk.position)
        return [(row.document_id, row.position, row.text) for row in rows]


def _expire_lease(library: Library) -> None:
    with library.db.transaction():
        Document.update(lease_until=0).execute()


def _rows_of_index(library: Library) -> int:
    return library.knowledge.rows_in_index()


def test_a_document_is_read_cut_embedded_and_indexed_with_progress(library: Library) -> None:
    document = library.upload(pdf([["Delivery", "is free."], ["Returns take a week."]], [("Delivery", 1)]), "a.pdf")
    told: list[IngestProgress] = []

    view = library.knowledge.ingest(document.id, told.append)

    assert view is not None
    assert (view.status, view.pages, view.chunks_count, view.error) == ("completed", 2, 1, None)
    stages = list(dict.fromkeys(p.stage for p in told))
    assert stages == ["reading", "embedding", "indexing", "done"]
    assert (told[-1].pages_done, told[-1].pages, told[-1].chunks_done, told[-1].chunks) == (2, 2, 1, 1)
    assert _rows_of_index(library) == 1
    assert library.knowledge.due_documents() == []
    assert library.knowledge.ingest(document.id) is None, "it is done"


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (pdf([["a"]], password="x"), "a.pdf", "encrypted"),
        (scanned_pdf(), "a.pdf", "no_text"),
        (b"%PDF-1.4 and nothing else", "a.pdf", "corrupt"),
        (b"<html><script>only()</script></html>", "a.html", "empty"),
        (b"--- *** ---", "a.txt", "empty"),
    ],
)
def test_a_document_without_text_fails_with_its_reason(library: Library, content: bytes, name: str, code: str) -> None:
    view = library.teach(content, name)

    assert (view.status, view.error.code if view.error else None) == ("failed", code)
    assert _texts(library) == []


def test_a_lost_file_is_told(library: Library) -> None:
    document = library.upload("Текст")
    for file in (library.config.data_dir / "uploads").iterdir():
        file.unlink()

    view = library.knowledge.ingest(document.id)

    assert view is not None
    assert view.error is not None
    assert view.error.code == "lost"


def test_only_one_worker_reads_a_document(library: Library) -> None:
    document = library.upload("Текст о доставке.")
    second = library.another_process()
    seen: list[object] = []

    def look(_: IngestProgress) -> None:
        seen.extend((second.ingest(document.id), second.due_documents()))

    assert library.knowledge.ingest(document.id, look) is not None
    assert set(map(str, seen)) == {"None", "[]"}
    assert len(_texts(library)) == 1


@pytest.mark.parametrize("stage", ["reading", "embedding", "indexing", "done"])
def test_whoever_dies_at_any_point_the_next_one_ends_with_the_same(library: Library, stage: str) -> None:
    document = library.upload(_SENTENCES)

    def die(progress: IngestProgress) -> None:
        if progress.stage == stage:
            raise Died

    with pytest.raises(Died):
        library.knowledge.ingest(document.id, die)
    if stage != "done":
        assert library.knowledge.due_documents() == [], "its lease still lives"
        _expire_lease(library)
        assert library.knowledge.due_documents() == [document.id]
    other = library.another_process()
    view = other.ingest(document.id)

    assert stage == "done" or (view is not None and view.status == "completed")
    texts = _texts(library)
    assert (
        len({(d, p) for d, p, _ in texts}) == len(texts) == other.get_document(library.owner, document.id).chunks_count
    )
    assert other.rows_in_index() == len(texts)
    assert other.search(library.assistant, "пункт 77 правил").answerable


def test_a_worker_that_was_taken_over_changes_nothing_more(library: Library) -> None:
    document = library.upload(_SENTENCES)
    second = library.another_process()

    def be_slow(progress: IngestProgress) -> None:
        if progress.stage == "indexing":
            _expire_lease(library)
            assert second.ingest(document.id) is not None

    assert library.knowledge.ingest(document.id, be_slow) is None
    assert second.get_document(library.owner, document.id).status == "completed"
    assert len(_texts(library)) == second.rows_in_index()


def test_a_document_deleted_while_it_is_read_stays_deleted(library: Library) -> None:
    document = library.upload(_SENTENCES)

    def delete(progress: IngestProgress) -> None:
        if progress.stage == "indexing":
            library.knowledge.delete_document(library.owner, document.id)

    assert library.knowledge.ingest(document.id, delete) is None
    assert _texts(library) == []
    assert _rows_of_index(library) == 0


def test_a_document_that_kills_its_readers_is_given_up(library: Library) -> None:
    document = library.upload("Текст о доставке.")

    def die(_: IngestProgress) -> None:
        raise Died

    for _ in range(ATTEMPTS):
        with pytest.raises(Died):
            library.knowledge.ingest(document.id, die)
        _expire_lease(library)
    view = library.knowledge.ingest(document.id)

    assert view is not None
    assert (view.status, view.error.code if view.error else None) == ("failed", "gave_up")
    assert library.knowledge.due_documents() == []


def test_a_process_killed_in_the_middle_leaves_nothing_wrong(
    sqlite_db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure, sqlite_url: str, tmp_path: Path
) -> None:
    library = Library(sqlite_db, bus, clock, configure())
    document = library.upload(faq_pdf("en").read_bytes(), "faq.pdf")
    program = tmp_path / "ingest.py"
    program.write_text(_PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, str(program), sqlite_url, str(tmp_path), str(document.id)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        line = next(line for line in child.stdout if json.loads(line)["chunks_done"] >= 64)
        child.send_signal(signal.SIGKILL)
    assert json.loads(line)["stage"] == "embedding"

    _expire_lease(library)
    view = library.knowledge.ingest(document.id)

    assert view is not None
    assert (view.status, view.pages) == ("completed", 73)
    assert view.chunks_count == len(_texts(library)) == _rows_of_index(library) > 200
    found = library.knowledge.search(library.assistant, "How is the word Debian pronounced?")
    assert found.answerable
    assert found.passages[0].page == 11


_PROGRAM = """
import json, sys
from replyx.clock import SystemClock
from replyx.config.loading import load_config
from replyx.events.memory import MemoryBus
from replyx.knowledge.knowledge import Knowledge
from replyx.storage.database import Database

url, folder, document = sys.argv[1:]
config = load_config(None, {"REPLYX_DATA_DIR": folder})
knowledge = Knowledge(Database(url, pool=5, timeout=5), MemoryBus(), SystemClock(), None, config)
knowledge.ingest(int(document), lambda p: print(json.dumps(vars(p)), flush=True))
"""


def test_a_living_worker_keeps_its_lease(library: Library) -> None:
    document = library.upload("Текст о доставке.")
    leases: list[int] = []

    def wait(progress: IngestProgress) -> None:
        if progress.stage == "reading" and not leases:
            leases.append(_lease(library, document.id))
            _until(lambda: _lease(library, document.id) > leases[0], seconds=15)
            leases.append(_lease(library, document.id))

    assert library.knowledge.ingest(document.id, wait) is not None
    assert leases[1] > leases[0]


def _lease(library: Library, document_id: int) -> int:
    with library.db.connection():
        return int(Document.get_by_id(document_id).lease_until)


def _until(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.05)


def test_a_file_whose_folder_is_not_mounted_is_waited_for(library: Library) -> None:
    document = library.upload("Доставка стоит 300 рублей.")
    uploads = library.config.data_dir / "uploads"
    elsewhere = uploads.rename(uploads.with_name("unmounted"))

    waiting = library.knowledge.ingest(document.id)
    elsewhere.rename(uploads)
    with library.db.transaction():
        Document.update(lease_until=0).execute()
    view = library.knowledge.ingest(document.id)

    assert waiting is not None
    assert view is not None
    assert (waiting.status, view.status) == ("processing", "completed")
