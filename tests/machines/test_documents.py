"""Documents whose readers die at any stage: what is known is in the record, in the index and in no other place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from replyx.events.memory import MemoryBus
from replyx.knowledge.ingestion import ATTEMPTS
from replyx.knowledge.views import IngestProgress
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk, Document
from tests.conftest import Configure
from tests.domain.library import Library, make_assistant
from tests.machines.running import run_machine
from tests.support.clock import MovableClock

WHICH = st.integers(0, 9)


class Died(BaseException):
    """A process that ends here: nothing catches it."""


@dataclass
class Known:
    """A document as it should be."""

    id: int
    assistant: int
    word: str
    is_readable: bool
    status: str = "processing"
    attempts: int = 0


class DocumentsMachine(RuleBasedStateMachine):
    """Documents of two assistants."""

    library: Library
    assistants: tuple[int, int]
    numbers = count(1)

    @initialize()
    def begin(self) -> None:
        for assistant in self.assistants:
            self.library.knowledge.forget_assistant(assistant)
        self.library.knowledge.compact()
        self.documents: list[Known] = []

    @precondition(lambda self: len(self.documents) < 4)
    @rule(which=st.integers(0, 1), is_readable=st.sampled_from([True, True, True, False]))
    def upload(self, which: int, is_readable: bool) -> None:
        word, assistant = f"слово{next(self.numbers)}", self.assistants[which]
        text = f"Наш магазин знает {word} и больше ничего." if is_readable else "--- *** ---"
        view = self.library.upload(text, assistant=assistant)
        self.documents.append(Known(view.id, assistant, word, is_readable))

    @precondition(lambda self: self.documents)
    @rule(which=WHICH)
    def read(self, which: int) -> None:
        document = self.documents[which % len(self.documents)]
        view = self.library.knowledge.ingest(document.id)
        if document.status != "processing":
            assert view is None
            return
        document.attempts += 1
        assert view is not None
        document.status = "completed" if document.is_readable and document.attempts <= ATTEMPTS else "failed"

    @precondition(lambda self: any(known.status == "processing" for known in self.documents))
    @rule(which=WHICH, stage=st.sampled_from(["reading", "embedding", "indexing"]))
    def reader_dies(self, which: int, stage: str) -> None:
        waiting = [known for known in self.documents if known.status == "processing"]
        document = waiting[which % len(waiting)]

        def die(progress: IngestProgress) -> None:
            if progress.stage == stage:
                raise Died

        document.attempts += 1
        if document.attempts > ATTEMPTS or (not document.is_readable and stage != "reading"):
            self.library.knowledge.ingest(document.id, die)
            document.status = "failed"
            return
        with pytest.raises(Died):
            self.library.knowledge.ingest(document.id, die)
        assert self.library.knowledge.ingest(document.id) is None, "the dead one's lease holds"
        with self.library.db.transaction():
            Document.update(lease_until=0).where(Document.id == document.id).execute()

    @precondition(lambda self: self.documents)
    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        document = self.documents.pop(which % len(self.documents))
        self.library.knowledge.delete_document(self.library.owner, document.id)

    @rule(which=st.integers(0, 1))
    def forget(self, which: int) -> None:
        self.library.knowledge.forget_assistant(self.assistants[which])
        self.documents = [known for known in self.documents if known.assistant != self.assistants[which]]

    @rule()
    def start_again(self) -> None:
        self.library.knowledge.close()
        self.library.knowledge = self.library.another_process()

    @rule()
    def upkeep(self) -> None:
        """Afterwards nothing is in the index that is not in the record, and no file is left of what was deleted."""
        self.library.knowledge.compact()
        with self.library.db.connection():
            chunks = {row.id for row in Chunk.select(Chunk.id)}
            files = {row.storage_name for row in Document.select()}
        for layer in self.library.knowledge._index.layers:
            if layer.store.is_open:
                assert {item for _, item in layer.store.ids()} <= chunks
        # Made with the first upload.
        uploads = self.library.config.data_dir / "uploads"
        assert {file.name for file in uploads.glob("*")} == files

    @precondition(lambda self: self.documents)
    @rule(which=WHICH)
    def search(self, which: int) -> None:
        """What was read is found by its own assistant, and by nobody else."""
        document = self.documents[which % len(self.documents)]
        for assistant in self.assistants:
            found = self.library.knowledge.search(assistant, f"Что такое {document.word}?")
            is_found = any(document.word in passage.text for passage in found.passages)
            assert is_found == (assistant == document.assistant and document.status == "completed")

    @invariant()
    def the_record_says_so(self) -> None:
        if not hasattr(self, "documents"):
            return
        views, _ = self.library.knowledge.list_documents(self.library.owner, limit=100)
        assert {view.id: view.status for view in views} == {known.id: known.status for known in self.documents}
        with self.library.db.connection():
            rows = list(Chunk.select(Chunk.document))
        for known in self.documents:
            chunks = sum(row.document_id == known.id for row in rows)
            assert chunks == 1 if known.status == "completed" else chunks <= 1
            assert known.status != "failed" or chunks == 0
        assert {row.document_id for row in rows} <= {known.id for known in self.documents}


def test_documents_are_known_or_not_and_nothing_between_whoever_dies(
    db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure
) -> None:
    library = Library(db, bus, clock, configure())
    assistants = (library.assistant, make_assistant(db, clock, library.owner, "Второй"))
    run_machine(DocumentsMachine, examples=4, long=60, steps=12, library=library, assistants=assistants)
