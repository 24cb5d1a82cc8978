"""The bundled models: what they make of text, from any thread, and what is said where one is missing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from replyx.knowledge.embedders import Embedder, EmbedderSpec, Remembering, UniversalSentenceEncoder, make_embedder


@pytest.fixture(params=["use", "e5"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return make_embedder(EmbedderSpec(request.param))


def test_texts_become_vectors_of_length_1(embedder: Embedder) -> None:
    found = embedder.embed_passages(["Доставка по городу бесплатна.", "x", ""])

    assert found.shape == (3, embedder.dim)
    assert np.allclose(np.linalg.norm(found[:2], axis=1), 1, atol=1e-3)
    assert embedder.embed_query("Сколько стоит доставка?").shape == (embedder.dim,)


def test_the_same_meaning_is_nearer_than_another_in_two_languages(embedder: Embedder) -> None:
    passages = embedder.embed_passages(["Товар можно вернуть в течение двух недель.", "Мы работаем с девяти до шести."])

    for question in ("Как вернуть товар?", "How do I return a product?"):
        likely, other = passages @ embedder.embed_query(question)
        assert embedder.scale.likeness(likely, likely) > embedder.scale.likeness(other, other) + 0.1


def test_an_embedder_may_be_used_from_many_threads() -> None:
    fresh = Remembering(UniversalSentenceEncoder())
    texts = [f"Вопрос номер {n} о доставке" for n in range(24)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(fresh.embed_query, texts))

    assert np.allclose(np.stack(found), np.stack([fresh.embed_query(t) for t in texts]), atol=1e-4)


def test_one_process_has_one_model() -> None:
    assert make_embedder(EmbedderSpec("use")) is make_embedder(EmbedderSpec("use"))
