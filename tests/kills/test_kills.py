"""A short walk through the points; `make kills` goes to every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kills.loop import Loop, open_loop
from tests.kills.nursery import Nursery
from tests.kills.switch import Act


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture
def appliance(tmp_path: Path, nursery: Nursery, sqlite_url: str) -> Iterator[Loop]:
    with open_loop(tmp_path, nursery, ("up",), sqlite_url, "", thinks=0) as loop:
        yield loop


@pytest.fixture
def production(tmp_path: Path, nursery: Nursery, postgres_url: str, redis_url: str) -> Iterator[Loop]:
    with open_loop(tmp_path, nursery, ("server", "worker"), postgres_url, redis_url, thinks=0) as loop:
        yield loop


#: The role that fails in production, the point and what it does. On SQLite the one process has every role.
WALK: list[tuple[str, str, Act]] = [
    ("server", "commit dialogs/inbox.py:receive#1", "die before"),
    ("server", "commit dialogs/inbox.py:receive#1", "die after"),
    ("worker", "commit dialogs/answering.py:_claim#1", "die after"),
    ("worker", "commit dialogs/answering.py:_commit#1", "die before"),
    ("worker", "commit dialogs/answering.py:_commit#1", "lost"),
]


def test_the_one_process_dies_or_fails_anywhere_and_the_message_has_one_outcome(appliance: Loop) -> None:
    assert [appliance.act("up", point, act) for _, point, act in WALK] == [True] * len(WALK)


def test_a_server_or_worker_dies_or_fails_anywhere_and_the_message_has_one_outcome(production: Loop) -> None:
    assert [production.act(role, point, act) for role, point, act in WALK] == [True] * len(WALK)
