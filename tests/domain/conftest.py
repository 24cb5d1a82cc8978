"""Fixtures of domain tests: a whole app on each kind of database, with the fake API at its edge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replyx.app import open_app
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.conftest import Configure
from tests.support.desk import MODEL, Desk, open_desk


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM(Scenario(text="Ответ."), models=[MODEL]) as server:
        yield server


@pytest.fixture
def desk(configure: Configure, database_url: str, llm: FakeLLM) -> Iterator[Desk]:
    """A tenant with 1,000 roubles and an assistant on the fake API."""
    yield from _opened(configure, database_url, llm, 100_000)


@pytest.fixture
def poor_desk(configure: Configure, database_url: str, llm: FakeLLM) -> Iterator[Desk]:
    """The same with a kopeck less than an answer costs."""
    yield from _opened(configure, database_url, llm, 499)


def _opened(configure: Configure, database_url: str, llm: FakeLLM, balance: int) -> Iterator[Desk]:
    config = configure(REPLYX_DATABASE__URL=database_url, REPLYX_ANSWERS__LEASE_SECONDS="1.5")
    app = open_app(config)
    try:
        yield open_desk(app, llm, balance=balance)
    finally:
        app.close()
