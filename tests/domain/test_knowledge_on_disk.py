"""Knowledge that is searched on disk: as in memory, and with Q&A pairs of its own."""

from __future__ import annotations

import numpy as np
import pytest

from replyx.config.settings import Config
from replyx.events.memory import MemoryBus
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.embedders import EmbedderSpec, make_embedder
from replyx.knowledge.index import Index
from replyx.knowledge.layers import Layer
from replyx.knowledge.packed import Row
from replyx.knowledge.places import place_of
from replyx.knowledge.ranking import Question
from replyx.knowledge.vectors import VectorStore
from replyx.storage.database import Database
from tests.domain.library import Library
from tests.domain.test_knowledge_search import SHOP
from tests.support.clock import MovableClock


@pytest.fixture
def library(sqlite_db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Library:
    return Library(sqlite_db, bus, clock, config)


def test_memory_and_disk_give_the_same(library: Library) -> None:
    library.teach(SHOP, "Магазин.md")
    library.knowledge.add_qa(library.owner, library.assistant, "Где вы?", "В Казани.")
    library.knowledge.search(library.assistant, "где вы")
    embedder = make_embedder(EmbedderSpec("use"))
    lock = library.config.data_dir / "second.lock"
    store = VectorStore(library.knowledge.place, embedder.id, lambda: embedder.dim)
    first = Layer(Corpus(library.db), store, embedder)
    disk = Index(Corpus(library.db), first, None, lock, in_memory=0)
    memory = Index(Corpus(library.db), first, None, lock)

    for question in ("Как вернуть товар?", "сколько едет заказ", "Where are you?", "погода"):
        found = []
        for index in (disk, memory):
            known = index.of(library.assistant)
            assert known is not None
            found.append([(item.id, round(score, 3)) for item, score in known.best(index.question(question), 6)])
        assert found[0] == found[1]
        assert type(disk.of(library.assistant)).__name__ == "Large"
    known = disk.of(library.assistant)
    assert known is not None
    assert len(known.pairs(disk.question("Где вы?"))) == 1


def test_on_disk_a_pair_is_found_behind_any_number_of_passages_that_are_nearer(
    config: Config, sqlite_db: Database
) -> None:
    embedder = make_embedder(EmbedderSpec("use"))
    store = VectorStore(place_of(config, sqlite_db), embedder.id, lambda: embedder.dim)
    near, asked = embedder.embed_query("Где вы находитесь?"), "Где вы?"
    same = embedder.embed_query(asked)
    crowd = [Row(number, 1, 1, number, [["где"]], same, b"") for number in range(1, 60)]

    store.add([*crowd, Row(-7, 1, 0, 0, [["где"]], near, b""), Row(-8, 2, 0, 0, [["где"]], same, b"")])
    found = store.pairs(1, Question(asked, embedder.embed_query), 5)

    assert [(pair, round(cosine, 3)) for pair, cosine in found] == [(7, round(float(near @ same), 3))]


@pytest.mark.parametrize(("dim", "kind"), [(32, "IvfRq"), (30, "IvfFlat")])
def test_many_vectors_are_clustered_whatever_their_length_and_the_nearest_is_found(
    config: Config, sqlite_db: Database, dim: int, kind: str
) -> None:
    place = place_of(config, sqlite_db)
    store = VectorStore(place, "made-up", lambda: dim)
    vectors = np.random.default_rng(7).standard_normal((20_000, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store.add([Row(n, 1 + n % 2, 1, n, [["где"]], vector, b"") for n, vector in enumerate(vectors, 1)])

    store.compact()

    indexes = {
        column: index for index in place.connect().open_table(store.name).list_indices() for column in index.columns
    }
    assert indexes["vector"].index_type == kind
    for n in (1, 777, 20_000):
        found = store.candidates(1 + n % 2, Question("", {"": vectors[n - 1]}.__getitem__), 5)
        best = max(found, key=lambda item: item.likeness(vectors[n - 1]))
        assert (best.id, round(best.likeness(vectors[n - 1]), 3)) == (n, 1)
        assert {item.id % 2 for item in found} == {n % 2}


def test_deleting_does_not_wait_for_others_who_write_and_the_upkeep_does_the_rest(library: Library) -> None:
    document = library.teach(SHOP, "Магазин.md")
    library.knowledge.search(library.assistant, "Как вернуть товар?")
    store = VectorStore(library.knowledge.place, make_embedder(EmbedderSpec("use")).id, lambda: 0)

    with library.knowledge.place.turns.taken():
        library.knowledge.delete_document(library.owner, document.id)
        left = store.count()
        found = library.knowledge.search(library.assistant, "Как вернуть товар?")
    library.knowledge.compact()
    store.refresh()

    assert left > 0
    assert found.passages == ()
    assert store.count() == 0
