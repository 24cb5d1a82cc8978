"""The bundled models: what they make of text, from any thread, and what is said where one is missing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from replyx.errors import ServiceUnavailable
from replyx.knowledge.embedders import Embedder, EmbedderSpec, Remembering, UniversalSentenceEncoder, make_embedder
from replyx.knowledge.meaning import Scale


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


class _Slow:
    """A model that answers when it is let; the first time with `error`, if there is one."""

    id, near, dim, scale, beside = "slow", 0.9, 2, Scale(), Scale()

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.let, self.is_asked = threading.Event(), threading.Event()
        self._error = error

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros((len(texts), self.dim), dtype=np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        self.asked.append(text)
        self.is_asked.set()
        assert self.let.wait(60)
        error, self._error = self._error, None
        if error is not None:
            raise error
        return np.full(self.dim, len(self.asked), dtype=np.float32)


@pytest.mark.parametrize("error", [None, ServiceUnavailable("away", "away")])
def test_a_question_that_is_being_embedded_is_waited_for_and_a_failure_is_not_remembered(
    error: ServiceUnavailable | None,
) -> None:
    slow = _Slow(error)
    fresh = Remembering(slow)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fresh.embed_query, "Сколько?")
        assert slow.is_asked.wait(60)
        second = pool.submit(fresh.embed_query, "Сколько?")
        slow.let.set()
        ended = [one.exception(60) for one in (first, second)]

    if error is None:
        assert ended == [None, None]
        assert slow.asked == ["Сколько?"]
    else:
        assert ended[0] is error
        assert fresh.embed_query("Сколько?").tolist() == [2.0, 2.0]


def test_one_process_has_one_model() -> None:
    assert make_embedder(EmbedderSpec("use")) is make_embedder(EmbedderSpec("use"))
