"""A re-ranker of an operator's own orders what was found, and stops no answer where it does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replyx.config.settings import Config
from replyx.events.memory import MemoryBus
from replyx.storage.database import Database
from replyx.testing.llm_server import FakeLLM
from tests.conftest import Configure
from tests.domain.library import Library
from tests.support.clock import MovableClock

_SHOP = """# Возврат
Товар можно вернуть за 14 дней.

# Возврат товара по почте
Чтобы вернуть товар по почте, приложите чек и опись, и напишите на коробке номер заказа и слово «возврат».

# Доставка
Курьер привозит товар по городу бесплатно.
"""


@pytest.fixture
def api() -> Iterator[FakeLLM]:
    with FakeLLM() as server:
        yield server


@pytest.fixture
def library(sqlite_db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Library:
    made = Library(sqlite_db, bus, clock, config)
    made.teach(_SHOP, "shop.md")
    return made


def _found(library: Library, config: Config) -> list[tuple[str | None, float]]:
    knowledge = library.another_process(config)
    found = knowledge.search(library.assistant, "За сколько дней можно вернуть товар?", limit=2)
    knowledge.close()
    return [(passage.heading, round(passage.score, 4)) for passage in found.passages]


def test_a_re_ranker_orders_what_was_found_and_moves_no_score(
    library: Library, configure: Configure, api: FakeLLM
) -> None:
    ours = _found(library, library.config)

    theirs = _found(library, configure(REPLYX_KNOWLEDGE__RERANKER_URL=api.base_url))

    assert ours[0][0] == "Возврат"
    assert theirs[0][0] == "Возврат товара по почте"
    assert [score for _, score in theirs] == [score for _, score in ours]


def test_a_re_ranker_that_does_not_answer_changes_nothing(library: Library, configure: Configure) -> None:
    silent = configure(REPLYX_KNOWLEDGE__RERANKER_URL="http://127.0.0.1:9/v1")

    assert _found(library, silent) == _found(library, library.config)
