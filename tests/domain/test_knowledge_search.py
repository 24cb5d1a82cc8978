"""The search: the right passage, honestly scored, whatever happens to the index."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from replyx.config.settings import Config
from replyx.errors import ConfigError, ServiceUnavailable
from replyx.events.memory import MemoryBus
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.embedders import EmbedderSpec, Remembering, make_embedder
from replyx.knowledge.index import Index
from replyx.knowledge.knowledge import Knowledge
from replyx.knowledge.layers import Layer
from replyx.knowledge.packed import Row
from replyx.knowledge.places import Place
from replyx.knowledge.processor import require_avx2
from replyx.knowledge.turns import FileTurns
from replyx.knowledge.vectors import IndexBroken, VectorStore
from replyx.knowledge.views import SearchResult
from replyx.storage.database import Database
from replyx.types import SYSTEM
from tests.domain.library import Library, make_assistant
from tests.domain.owners import make_user
from tests.support.clock import MovableClock
from tests.support.programs import wait_until

SHOP = """# Доставка
Доставка по городу бесплатна. В другие города заказ едет от трёх до семи дней.

# Возврат
Товар можно вернуть за 14 дней, если сохранён чек. Деньги приходят на карту за три дня.

# Оплата
Мы принимаем карты «Мир», наличные и переводы по номеру телефона.

# Гарантия
На технику действует гарантия один год, сервисный центр находится в Казани.
"""


@pytest.fixture
def library(sqlite_db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Library:
    return Library(sqlite_db, bus, clock, config)


@pytest.fixture
def shop(library: Library) -> Library:
    library.teach(SHOP, "Магазин.md")
    return library


def _folder(library: Library) -> Path:
    return Path(library.config.knowledge_uri)


def _ask(knowledge: Knowledge, library: Library, question: str) -> SearchResult:
    return knowledge.search(library.assistant, question)


def _headings(found: SearchResult) -> list[str | None]:
    return [p.heading for p in found.passages]


def _scored(found: SearchResult) -> list[tuple[int | None, float]]:
    return [(p.chunk_id, round(p.score, 4)) for p in found.passages]


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("Как вернуть товар?", "Возврат"),
        ("Сколько дней едет заказ в другой город?", "Доставка"),
        ("Можно ли заплатить наличными?", "Оплата"),
        ("какая гарантия на технику", "Гарантия"),
        ("How can I return a product?", "Возврат"),
    ],
)
def test_the_right_passage_comes_first(shop: Library, question: str, heading: str) -> None:
    found = _ask(shop.knowledge, shop, question)

    assert _headings(found)[0] == heading
    assert found.passages[0].filename == "Магазин.md"
    assert [p.score for p in found.passages] == sorted((p.score for p in found.passages), reverse=True)
    assert found.top_score == found.passages[0].score
    assert found.has_knowledge


@pytest.mark.parametrize("question", ["Как вернуть товар?", "Сколько дней едет заказ в другой город?"])
def test_what_is_written_is_answerable(shop: Library, question: str) -> None:
    assert _ask(shop.knowledge, shop, question).answerable


@pytest.mark.parametrize(
    "question", ["Кто написал «Войну и мир»?", "What is the capital of Peru?", "Какая завтра погода?", "???", "   ", ""]
)
def test_what_is_not_written_is_not(shop: Library, question: str) -> None:
    assert not _ask(shop.knowledge, shop, question).answerable


def test_an_assistant_can_move_the_threshold(shop: Library) -> None:
    score = _ask(shop.knowledge, shop, "Как вернуть товар?").top_score

    assert shop.knowledge.search(shop.assistant, "Как вернуть товар?", threshold=score).answerable
    assert not shop.knowledge.search(shop.assistant, "Как вернуть товар?", threshold=score + 0.001).answerable


def test_the_number_of_passages_is_limited(shop: Library) -> None:
    assert len(shop.knowledge.search(shop.assistant, "доставка, возврат, оплата, гарантия", limit=2).passages) == 2


def test_an_assistant_without_knowledge_says_so(library: Library) -> None:
    found = _ask(library.knowledge, library, "Как вернуть товар?")

    assert found == SearchResult((), False, 0.0, False)
    assert library.knowledge.search(10**9, "вопрос") == SearchResult((), False, 0.0, False)


@pytest.mark.parametrize(
    "question",
    [
        "' OR 1=1 --",
        'O\'Brien "x" (((',
        "assistant_id = 2",
        "\x00",
        "a" * 100_000,
        "*:*",
        "🙂🙂",
        "\ud800",
        "c++ AND -x",
    ],
)
def test_odd_questions_are_no_error(shop: Library, question: str) -> None:
    shop.knowledge.search(shop.assistant, question)


def test_tenants_never_see_each_other(library: Library) -> None:
    other = make_assistant(library.db, library.clock, make_user(library.db, library.clock, "other@example.com"))
    mine = library.teach("Доставка по городу бесплатна. Секрет: ромашка.")
    library.knowledge.ingest(
        library.upload("Доставка по городу стоит 300 рублей. Секрет: василёк.", assistant=other, actor=SYSTEM).id
    )

    for question in ("доставка", "секрет", "василёк", "Секрет: василёк", "сколько стоит доставка по городу"):
        passages = library.knowledge.search(library.assistant, question).passages
        assert {p.document_id for p in passages} <= {mine.id}


def test_another_process_sees_what_was_added_and_deleted(shop: Library) -> None:
    reader = shop.another_process()
    assert not _ask(reader, shop, "Есть ли у вас программа лояльности?").answerable

    added = shop.teach("Программа лояльности даёт скидку 5 % на каждую десятую покупку.")
    assert _ask(reader, shop, "Есть ли у вас программа лояльности?").passages[0].document_id == added.id

    shop.knowledge.delete_document(shop.owner, added.id)
    assert added.id not in {p.document_id for p in _ask(reader, shop, "программа лояльности").passages}


class _Noting(Remembering):
    """The bundled model, which notes the questions that it has embedded."""

    def __init__(self) -> None:
        super().__init__(make_embedder(EmbedderSpec("use")))
        self.done: list[str] = []

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector = super().embed_query(text)
        self.done.append(text)
        return vector


def test_an_expected_question_is_embedded_before_it_is_searched_for_where_its_knowledge_is_at_hand(
    shop: Library,
) -> None:
    noting = _Noting()
    store = VectorStore(shop.knowledge.place, noting.id, lambda: noting.dim)
    lock = shop.config.data_dir / "second.lock"
    index = Index(Corpus(shop.db), Layer(Corpus(shop.db), store, noting), None, lock)
    nobody = make_assistant(shop.db, shop.clock, shop.owner, "Пустой")

    index.expect(shop.assistant, "Что с гарантией?")
    assert index.of(nobody) is not None
    index.expect(nobody, "Что с гарантией?")
    assert index.of(shop.assistant) is not None
    index.expect(shop.assistant, "Сколько едет заказ?")
    wait_until(lambda: noting.done, 60, "the expected question was not embedded")
    index.close()
    index.expect(shop.assistant, "Как вернуть?")

    assert noting.done == ["Сколько едет заказ?"]


def test_a_deleted_index_stops_no_answer_and_comes_back_by_itself(shop: Library) -> None:
    before = _scored(_ask(shop.knowledge, shop, "Как вернуть товар?"))
    shutil.rmtree(_folder(shop))
    fresh = shop.another_process()

    assert _headings(_ask(fresh, shop, "Как вернуть товар?"))[0] == "Возврат"

    _wait_for_rows(fresh, 4)
    assert _scored(_ask(shop.another_process(), shop, "Как вернуть товар?")) == before


def test_a_broken_index_stops_no_answer_and_comes_back_by_itself(
    shop: Library, caplog: pytest.LogCaptureFixture
) -> None:
    before = _scored(_ask(shop.knowledge, shop, "Как вернуть товар?"))
    for file in _folder(shop).rglob("*"):
        if file.is_file():
            file.write_bytes(b"broken")
    fresh = shop.another_process()

    with caplog.at_level(logging.WARNING):
        started = time.monotonic()
        found = _ask(fresh, shop, "Как вернуть товар?")

    assert _headings(found)[0] == "Возврат", "words alone find it"
    assert time.monotonic() - started < 10
    assert "the index is broken" in caplog.text
    _wait_for_rows(fresh, 4)
    assert _scored(_ask(shop.another_process(), shop, "Как вернуть товар?")) == before
    fresh.close()


def test_an_index_that_is_asked_while_it_is_made_anew_is_neither_lost_nor_broken(tmp_path: Path) -> None:
    store = VectorStore(Place(str(tmp_path / "index"), FileTurns(tmp_path / "lock")), "test", lambda: 4)
    ended = threading.Event()
    asked = threading.Thread(target=_ask_until, args=(store, ended))
    asked.start()
    try:
        for _ in range(10):
            store.reset()
            store.add([Row(1, 1, 1, 1, [["слово"]], np.eye(4, dtype=np.float32)[0], b"\0" * 4)])
    finally:
        ended.set()
        asked.join()

    assert store.count() == 1


def _ask_until(store: VectorStore, ended: threading.Event) -> None:
    """Count rows all the time, as searches do; a handle of the old table may fail, the next one is of the new."""
    while not ended.is_set():
        with contextlib.suppress(IndexBroken):
            store.count()


def test_a_document_is_read_although_the_index_is_broken(shop: Library) -> None:
    for file in _folder(shop).rglob("*"):
        if file.is_file():
            file.write_bytes(b"broken")
    writer = shop.another_process()

    view = writer.ingest(shop.upload("Программа лояльности даёт скидку.").id)

    assert view is not None
    assert view.status == "completed"
    assert _headings(_ask(writer, shop, "Как вернуть товар?"))[0] == "Возврат"
    _wait_for_rows(writer, 5)


def test_a_rebuilt_index_gives_equal_results(shop: Library) -> None:
    questions = ("Как вернуть товар?", "доставка", "What about payment?")
    before = [_scored(_ask(shop.knowledge, shop, q)) for q in questions]
    told: list[tuple[int, int]] = []

    assert shop.knowledge.rebuild(progress=lambda done, of: told.append((done, of))) == 4

    assert told[-1] == (4, 4)
    assert [_scored(_ask(shop.knowledge, shop, q)) for q in questions] == before
    assert shop.knowledge.rebuild(shop.assistant) == 4
    assert [_scored(_ask(shop.another_process(), shop, q)) for q in questions] == before


def test_the_upkeep_deletes_rows_that_the_database_does_not_know(shop: Library) -> None:
    gone = shop.teach("Программа лояльности даёт скидку.")
    web = shop.another_process()
    web.delete_document(shop.owner, gone.id)
    assert shop.knowledge.rows_in_index() == 5, "a process without LanceDB leaves it to the upkeep"

    shop.knowledge.compact()

    assert shop.knowledge.rows_in_index() == 4


def test_many_writes_leave_few_files(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "index"), FileTurns(tmp_path / "lock"))
    store = VectorStore(place, "test", lambda: 4, keep=timedelta(milliseconds=1))

    for n in range(50):
        store.add([Row(n, 1, n, n, [["слово"]], np.eye(4, dtype=np.float32)[n % 4], b"\0" * 4)])

    assert store.count() == 50
    assert len([f for f in tmp_path.rglob("*") if f.is_file()]) < 100


def test_several_processes_may_write_at_once(library: Library) -> None:
    others = [library.another_process() for _ in range(3)]
    documents = [library.upload(f"Документ {n}: доставка в город номер {n}.") for n in range(6)]
    failures: list[BaseException] = []

    def work(knowledge: Knowledge, ids: list[int]) -> None:
        try:
            for document in ids:
                assert knowledge.ingest(document) is not None
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(knowledge, [d.id for d in documents[n::3]]))
        for n, knowledge in enumerate(others)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert library.knowledge.rows_in_index() == 6


def test_nothing_is_loaded_where_there_is_nothing_to_search(library: Library) -> None:
    library.knowledge.warm_up()
    library.knowledge.compact()

    assert not library.knowledge.stats()["is_loaded"]
    assert not _folder(library).exists()

    library.teach(SHOP, "a.md")
    fresh = library.another_process()
    fresh.warm_up()
    assert fresh.stats() == {
        "documents": {"processing": 0, "completed": 1, "failed": 0}, "chunks": 4, "qa_pairs": 0, "embedder": "use",
        "is_loaded": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [("flags\t\t: fpu sse2 avx", True), ("flags\t\t: fpu avx2 bmi2", False), ("Features\t: fp asimd", False)],
)
def test_a_processor_without_avx2_is_refused_before_lancedb_can_kill_the_process(
    tmp_path: Path, text: str, is_refused: bool
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{text}\n")

    if is_refused:
        with pytest.raises(ConfigError):
            require_avx2(cpuinfo)
    else:
        require_avx2(cpuinfo)


def _wait_for_rows(knowledge: Knowledge, rows: int) -> None:
    deadline = time.monotonic() + 30
    while _rows(knowledge) != rows:
        assert time.monotonic() < deadline, "the index did not come back"
        time.sleep(0.05)


def _rows(knowledge: Knowledge) -> int:
    try:
        return knowledge.rows_in_index()
    except ServiceUnavailable:
        return -1
