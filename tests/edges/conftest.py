"""Fixtures of the server's tests: a whole ReplyX that serves on the loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from replyx.clock import Clock
from tests.conftest import Configure
from tests.support.house import House, open_house

#: Opens a house with settings of the test's own: `build(REPLYX_LIMITS__ENABLED="true")`.
Build = Callable[..., House]


@pytest.fixture
def build(configure: Configure, sqlite_url: str) -> Iterator[Build]:
    """Opens houses on SQLite; limits are off where a test does not say otherwise."""
    with ExitStack() as stack:

        def make(*, with_worker: bool = False, clock: Clock | None = None, **environment: str) -> House:
            settings = {
                "REPLYX_DATABASE__URL": sqlite_url,
                "REPLYX_SERVER__PORT": "0",
                "REPLYX_LIMITS__ENABLED": "false",
            }
            config = configure(**{**settings, **environment})
            return stack.enter_context(open_house(config, with_worker=with_worker, clock=clock))

        yield make


@pytest.fixture
def house(build: Build) -> House:
    return build()


@pytest.fixture
def both(database_url: str, build: Build) -> House:
    """A house with a worker: the test runs once on each kind of database."""
    return build(with_worker=True, REPLYX_DATABASE__URL=database_url)
