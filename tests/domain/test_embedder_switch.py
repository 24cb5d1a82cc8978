"""Embedders of the operator's own, and the change from one to another while questions are answered."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from replyx.config.settings import Config
from replyx.errors import ConfigError, ServiceUnavailable
from replyx.events.memory import MemoryBus
from replyx.knowledge.embedders import EmbedderSpec, make_embedder
from replyx.knowledge.knowledge import Knowledge
from replyx.llm.shelf import ModelShelf
from replyx.storage.database import Database
from replyx.testing.llm_server import FakeLLM
from tests.conftest import Configure
from tests.domain.library import Library
from tests.support.clock import MovableClock

_SHOP = """# Доставка
Доставка по городу бесплатна. В другие города заказ едет от трёх до семи дней.

# Возврат
Товар можно вернуть за 14 дней, если сохранён чек. Деньги приходят на карту за три дня.
"""


@pytest.fixture
def api() -> Iterator[FakeLLM]:
    with FakeLLM() as server:
        yield server


@pytest.fixture
def library(sqlite_db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Library:
    made = Library(sqlite_db, bus, clock, config)
    made.teach(_SHOP, "shop.md")
    assert _first(made.knowledge, made) == "Возврат"
    return made


def _by_api(configure: Configure, api: FakeLLM, model: str) -> Config:
    return configure(
        REPLYX_KNOWLEDGE__EMBEDDER="api",
        REPLYX_KNOWLEDGE__EMBEDDER_URL=api.base_url,
        REPLYX_KNOWLEDGE__EMBEDDER_MODEL=model,
    )


def _first(knowledge: Knowledge, library: Library) -> str | None:
    return knowledge.search(library.assistant, "Как вернуть товар?").passages[0].heading


def _wait_until_it_answers(knowledge: Knowledge, library: Library, embedder: str) -> None:
    deadline = time.monotonic() + 60
    while not str(knowledge.stats()["embedder"]).startswith(embedder):
        assert _first(knowledge, library) == "Возврат", "both answer meanwhile"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_another_embedder_takes_over_once_its_vectors_are_made(
    library: Library, configure: Configure, api: FakeLLM
) -> None:
    changed = library.another_process(_by_api(configure, api, "embed-1"))
    assert _first(changed, library) == "Возврат"
    assert changed.stats()["embedder"] == "use", "the old vectors answer until the new are complete"

    _wait_until_it_answers(changed, library, "api_")

    assert _first(changed, library) == "Возврат"
    assert json.loads((library.config.data_dir / "knowledge-embedder.json").read_text())["model"] == "embed-1"
    back = library.another_process()
    assert _first(back, library) == "Возврат"
    _wait_until_it_answers(back, library, "use")
    changed.close()
    back.close()


def test_rebuilding_switches_at_once(library: Library, configure: Configure, api: FakeLLM) -> None:
    changed = library.another_process(_by_api(configure, api, "embed-2"))

    assert changed.rebuild() == 2

    assert str(changed.stats()["embedder"]).startswith("api_")
    assert _first(changed, library) == "Возврат"


def test_words_answer_and_documents_wait_while_the_api_does_not_answer(
    library: Library, configure: Configure, api: FakeLLM
) -> None:
    changed = library.another_process(_by_api(configure, api, "embed-3"))
    changed.rebuild()
    api.stop()
    gone = library.another_process(_by_api(configure, api, "embed-3"))

    assert _first(gone, library) == "Возврат"
    view = gone.ingest(library.upload("Программа лояльности даёт скидку.").id)
    assert view is not None
    assert view.status == "processing", "it is read when the model answers again"


def test_an_api_without_an_address_and_a_file_that_is_not_there_are_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="embedder_url"):
        make_embedder(EmbedderSpec("api"))
    with pytest.raises(ConfigError, match="there is no file"):
        make_embedder(EmbedderSpec("gguf", file="/nowhere/model.gguf"))


def test_an_api_that_answers_nonsense_is_said_to(api: FakeLLM) -> None:
    embedder = make_embedder(EmbedderSpec("api", url=f"{api.base_url}/elsewhere", model="m"))

    with pytest.raises(ServiceUnavailable, match="embedder_url"):
        embedder.embed_query("вопрос")


def test_an_api_gives_vectors_of_length_1_and_a_scale(api: FakeLLM) -> None:
    embedder = make_embedder(EmbedderSpec("api", url=api.base_url, model="m"))

    found = embedder.embed_passages([f"Текст номер {n}" for n in range(70)])

    assert found.shape == (70, embedder.dim)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)
    assert embedder.scale.step >= 0


def test_a_gguf_model_makes_vectors(config: Config) -> None:
    file: Path = ModelShelf(config).path("smollm2-135m")
    embedder = make_embedder(EmbedderSpec("gguf", file=str(file)))

    found = embedder.embed_passages(["The parcel arrives in two days.", "long " * 2000])

    assert found.shape == (2, embedder.dim)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)
    assert embedder.embed_query("When?").shape == (embedder.dim,)
