"""Two layers of vectors: the first answers at once, the second is filled in the background and makes it better."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from replyx.config.settings import Config
from replyx.events.memory import MemoryBus
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.embedders import EmbedderSpec, make_embedder
from replyx.knowledge.index import Index
from replyx.knowledge.knowledge import Knowledge
from replyx.knowledge.layers import Layer
from replyx.knowledge.meaning import cosines, mean_of, pack, parts, unpack
from replyx.knowledge.vectors import IndexBroken, VectorStore
from replyx.storage.database import Database
from replyx.types import SYSTEM
from tests.conftest import Configure
from tests.domain.library import Library, make_assistant
from tests.domain.owners import make_user
from tests.support.clock import MovableClock

_SHOP = """# Доставка
Доставка по городу бесплатна. В другие города заказ едет от трёх до семи дней.

# Возврат
Товар можно вернуть за 14 дней, если сохранён чек. Деньги приходят на карту за три дня.

# Оплата
Мы принимаем карты «Мир», наличные и переводы по номеру телефона.
"""
_THINGS = ("чайник", "стол", "шкаф", "ковёр", "диван")


@pytest.fixture
def config(configure: Configure) -> Config:
    return configure(REPLYX_KNOWLEDGE__SECOND="e5")


@pytest.fixture
def library(sqlite_db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Library:
    return Library(sqlite_db, bus, clock, config)


def _second(library: Library) -> VectorStore:
    embedder = make_embedder(EmbedderSpec("e5"))
    return VectorStore(library.knowledge.place, embedder.id, lambda: embedder.dim, is_searched=False)


def _wait_for(store: VectorStore, rows: int) -> None:
    deadline = time.monotonic() + 60
    while (found := _count(store)) != rows:
        assert time.monotonic() < deadline, f"{found} rows"
        time.sleep(0.05)


def _count(store: VectorStore) -> int | None:
    """Rows that can be read; None where the table is broken, or just made anew."""
    try:
        store.refresh()
        return store.count()
    except IndexBroken:
        return None


def test_the_second_layer_is_filled_behind_answers_and_follows_what_is_deleted(library: Library) -> None:
    document = library.teach(_SHOP, "shop.md")
    pair = library.knowledge.add_qa(library.owner, library.assistant, "Где вы находитесь?", "В Казани.")

    assert library.knowledge.search(library.assistant, "как вернуть деньги за товар").passages[0].heading == "Возврат"

    _wait_for(_second(library), 4)
    library.knowledge.delete_qa(library.owner, pair.id)
    library.knowledge.delete_document(library.owner, document.id)
    library.knowledge.compact()
    _wait_for(_second(library), 0)
    library.knowledge.close()


def test_a_doubt_is_settled_by_the_second_layer_in_memory_and_on_disk_alike(library: Library) -> None:
    library.teach(_SHOP, "shop.md")
    lean = library.another_process(_without_second(library))
    library.knowledge.refine(library.assistant)
    question = "How can I get my money back?"

    ours = library.knowledge.search(library.assistant, question)
    alone = lean.search(library.assistant, question)

    assert ours.passages[0].heading == alone.passages[0].heading == "Возврат"
    assert ours.top_score != alone.top_score, "the second layer was asked"
    assert library.knowledge.refine(library.assistant) == 0, "nothing is made twice"


def test_a_rebuilt_index_has_both_layers_and_gives_equal_answers(library: Library) -> None:
    library.teach(_SHOP, "shop.md")
    library.knowledge.refine(library.assistant)
    before = _scored(library.knowledge, library)

    library.knowledge.rebuild()

    assert _scored(library.knowledge, library) == before
    assert _scored(library.another_process(), library) == before


def test_a_broken_second_layer_stops_no_answer_and_comes_back_by_itself(library: Library) -> None:
    library.teach(_SHOP, "shop.md")
    library.knowledge.refine(library.assistant)
    for file in (Path(library.config.knowledge_uri) / f"{_second(library).name}.lance").rglob("*"):
        if file.is_file():
            file.write_bytes(b"broken")

    fresh = library.another_process()
    found = fresh.search(library.assistant, "как вернуть товар")

    assert found.passages[0].heading == "Возврат"
    _wait_for(_second(library), 3)
    fresh.close()


def test_texts_are_parted_into_sentences_and_short_ones_join_the_next() -> None:
    text = "Да. Доставка по городу бесплатна для всех заказов. В другие города заказ едет от трёх до семи дней."

    assert parts(text) == [
        "Да. Доставка по городу бесплатна для всех заказов.",
        "В другие города заказ едет от трёх до семи дней.",
    ]
    assert parts("Нет") == ["Нет"]
    assert parts("") == [""]
    assert len(parts("Ещё одно предложение, которое кончается точкой здесь. " * 60)) <= 12


def test_packed_vectors_keep_their_directions() -> None:
    vectors = np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    assert np.allclose(unpack(pack(vectors), 16), vectors, atol=0.01)
    (mean, peak), (own, same) = cosines([pack(vectors), pack(vectors[:1])], vectors[1])
    assert mean == pytest.approx(float(mean_of(vectors) @ vectors[1]), abs=0.01)
    assert peak == pytest.approx(1, abs=0.01)
    assert own == pytest.approx(same)


def _without_second(library: Library) -> Config:
    from dataclasses import replace

    return replace(library.config, knowledge=replace(library.config.knowledge, second="none"))


def _scored(knowledge: Knowledge, library: Library) -> list[list[tuple[int | None, float]]]:
    questions = ("Как вернуть товар?", "доставка", "What about payment?")
    found = [knowledge.search(library.assistant, question) for question in questions]
    return [[(p.chunk_id, round(p.score, 4)) for p in one.passages] for one in found]


def test_a_thousand_questions_find_nothing_of_another_tenant_however_like_it_is(library: Library) -> None:
    stranger = make_assistant(library.db, library.clock, make_user(library.db, library.clock, "b@example.com"))
    lean = library.another_process(_without_second(library))
    things = [f"{colour} {thing}" for colour in ("Красный", "Синий", "Белый", "Новый") for thing in _THINGS]
    ours, theirs = (
        "\n\n".join(f"# {thing}\n{thing} стоит {price} рублей, доставка за {n} дней." for n, thing in enumerate(things))
        for price in ("триста", "четыреста")
    )
    lean.ingest(library.upload(ours, "ours.md").id)
    lean.ingest(library.upload(theirs, "theirs.md", assistant=stranger, actor=SYSTEM).id)
    embedder = make_embedder(EmbedderSpec("use"))
    store = VectorStore(library.knowledge.place, embedder.id, lambda: embedder.dim)
    layer = Layer(Corpus(library.db), store, embedder)
    disk = Index(Corpus(library.db), layer, None, library.config.data_dir / "second.lock", in_memory=0)
    tenants = (library.assistant, stranger)
    own = {tenant: Corpus(library.db).known_ids(tenant) for tenant in tenants}

    foreign, found_in_all = 0, 0
    for n in range(1000):
        tenant = tenants[n % 2]
        # What is asked for stands word for word in the other's texts.
        text = f"Сколько стоит {things[n // 2 % len(things)]}? {('четыреста', 'триста')[n % 2]} рублей номер {n}"
        # Reading from disk costs ten times more, and filters by other means.
        if n % 20 > 1:
            found = {passage.chunk_id for passage in lean.search(tenant, text).passages}
        else:
            known = disk.of(tenant)
            assert known is not None
            found = {item.id for item, _ in known.best(disk.question(text), 6)}
        found_in_all += bool(found)
        foreign += len(found - own[tenant])
    assert (foreign, found_in_all) == (0, 1000)
