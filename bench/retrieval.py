"""Finding: how fast, beside LanceDB called directly on the same rows; `rightness` measures how right."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import lancedb
import numpy as np

from bench.table import Row
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.embedders import Embedder, EmbedderSpec, make_embedder
from replyx.knowledge.index import IN_MEMORY, Large, Searchable, Small
from replyx.knowledge.layers import Layer
from replyx.knowledge.lookups import PROBES
from replyx.knowledge.meaning import pack
from replyx.knowledge.packed import Row as Stored
from replyx.knowledge.places import Place
from replyx.knowledge.ranking import Item, Lexicon, Question
from replyx.knowledge.turns import FileTurns
from replyx.knowledge.vectors import VectorStore

_ASSISTANT = 1


def run(*, quick: bool) -> list[Row]:
    """Time on 500 and on 100,000 passages."""
    logging.getLogger("lance").setLevel(logging.ERROR)
    embedder = make_embedder(EmbedderSpec("use"))
    return _times(embedder, 500, quick) + _times(embedder, 20_000 if quick else 100_000, quick)


def _times(embedder: Embedder, size: int, quick: bool) -> list[Row]:
    """A whole search (vector of the question, both lookups, scores) beside LanceDB's own lookups, called directly."""
    rounds = 40 if quick else 200
    with tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder:
        store = VectorStore(
            Place(f"{folder}/index", FileTurns(Path(folder) / "lock")), embedder.id, lambda: embedder.dim
        )
        stored, questions = _made_up(embedder.dim, size, rounds)
        for start in range(0, size, 10_000):
            store.add(stored[start : start + 10_000])
        store.compact()
        known = _known(store, stored, embedder)
        ours, floor = _beside(known, embedder, lancedb.connect(f"{folder}/index").open_table(store.name), questions)
        recall = _recall(store, stored)
    name = f"search in {size:,} passages, median"
    if size <= IN_MEMORY:
        return [Row(name, ours, "ms", floor=floor, ratio=ours / floor, goal="≤ 8 ms", is_met=ours <= 8)]
    is_met = ours <= 15 and ours <= 1.3 * floor and recall >= 0.95
    goal = "≤ 15 ms, ≤ 1.3 × LanceDB, recall ≥ 0.95"
    return [
        Row(name, ours, "ms", floor=floor, ratio=ours / floor, goal=goal, is_met=is_met),
        Row(f"nearest 10 of {size:,} found, of exact search", recall, "", goal="≥ 0.95", is_met=recall >= 0.95),
    ]


def _known(store: VectorStore, stored: list[Stored], embedder: Embedder) -> Searchable:
    if len(stored) <= IN_MEMORY:
        items = [Item(row.item_id, row.sentences, row.vector, row.parts) for row in stored]
        return Small(items, embedder, None)
    layer = Layer(cast(Corpus, None), store, embedder)
    return Large(_ASSISTANT, Lexicon.of(store.sample(_ASSISTANT, 10_000), len(stored)), layer, None)


def _made_up(dim: int, size: int, questions: int) -> tuple[list[Stored], list[str]]:
    """Passages of words as rare as in a language, with vectors in clusters; questions of their words."""
    random = np.random.default_rng(7)
    words = np.array([f"word{n}" for n in range(30_000)])
    rarity = 1 / np.arange(1, len(words) + 1)
    chosen = random.choice(len(words), size=(size, 80), p=rarity / rarity.sum())
    centres = random.standard_normal((max(10, size // 100), dim))
    vectors = centres[random.integers(len(centres), size=size)] + 0.7 * random.standard_normal((size, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    noise = (0.02 * random.standard_normal((5, dim))).astype(np.float32)
    stored = [
        Stored(
            n + 1,
            _ASSISTANT,
            n // 100,
            n,
            [words[chosen[n, k : k + 16]].tolist() for k in range(0, 80, 16)],
            vector,
            pack(vector + noise),
        )
        for n, vector in enumerate(vectors.astype(np.float32))
    ]
    picked = random.integers(size, size=questions)
    return stored, [" ".join(words[random.choice(chosen[n], 6, replace=False)]) for n in picked]


def _beside(known: Searchable, embedder: Embedder, table: Any, questions: list[str]) -> tuple[float, float]:
    """Medians in ms, turn and turn about: our search, and the embedder with LanceDB's two lookups at once."""

    def search(text: str) -> None:
        known.best(Question(text, embedder.embed_query), 6)

    ours: list[float] = []
    direct: list[float] = []
    with ThreadPoolExecutor(1) as second:

        def lookups(text: str) -> None:
            vector = embedder.embed_query(text)
            by_words = second.submit(_by_words, table, text)
            _by_vector(table, vector)
            by_words.result()

        for n, text in enumerate(questions):
            # Endings keep the embedder from remembering the question from the other turn; whoever asks second
            # finds LanceDB's caches warm, so they take turns at that too.
            turns = [(ours, search, f"{text} once"), (direct, lookups, f"{text} twice")]
            for figures, work, asked in turns if n % 2 else reversed(turns):
                figures.append(_seconds(work, asked))
    return statistics.median(ours[5:]) * 1000, statistics.median(direct[5:]) * 1000


def _by_vector(table: Any, vector: Any) -> Any:
    query = table.search(vector, vector_column_name="vector").distance_type("dot").nprobes(PROBES)
    return query.where(f"assistant_id = {_ASSISTANT}").limit(24).select(["item_id", "_distance"]).to_arrow()


def _by_words(table: Any, text: str) -> Any:
    query = table.search(text, query_type="fts", fts_columns="stems")
    return query.where(f"assistant_id = {_ASSISTANT}").limit(24).select(["item_id", "_score"]).to_arrow()


def _recall(store: VectorStore, stored: list[Stored]) -> float:
    """How many of the ten nearest are among the candidates, for questions near to some passage.

    Made-up vectors lie in tight clusters, so this sees a broken index, not one cluster too few: `lookups.PROBES` was
    chosen on sentences.
    """
    random = np.random.default_rng(8)
    matrix = np.stack([row.vector for row in stored])
    found = []
    for n in random.integers(len(stored), size=30):
        vector = (matrix[n] + 0.02 * random.standard_normal(matrix.shape[1])).astype(np.float32)
        exact = {stored[i].item_id for i in np.argsort(-(matrix @ vector))[:10]}
        question = Question("", {"": vector}.__getitem__)
        ids = {item.id for item in store.candidates(_ASSISTANT, question, 24)}
        found.append(len(exact & ids) / 10)
    return statistics.fmean(found)


def _seconds(work: Callable[[str], object], text: str) -> float:
    start = time.perf_counter()
    work(text)
    return time.perf_counter() - start
