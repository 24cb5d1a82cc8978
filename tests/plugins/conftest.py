"""Fixtures of the plugins' tests: the running ReplyX that the server's tests use, and a tenant who pays at a till."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replyx.app import open_app
from replyx.testing.payments import FakeStripe, FakeYooKassa
from tests.conftest import Configure
from tests.edges.conftest import both, build, house
from tests.plugins.tills import OPENING, Shop, StripeTill, Till, YooKassaTill

__all__ = ["both", "build", "house"]


@pytest.fixture(params=["yookassa", "stripe"])
def till(request: pytest.FixtureRequest) -> Iterator[Till]:
    if request.param == "yookassa":
        with FakeYooKassa() as yookassa:
            yield YooKassaTill(yookassa)
    else:
        with FakeStripe() as stripe:
            yield StripeTill(stripe)


@pytest.fixture
def shop(till: Till, configure: Configure, database_url: str) -> Iterator[Shop]:
    origins = {"REPLYX_BILLING__RETURN_URLS": "https://shop.example"}
    app = open_app(configure(REPLYX_DATABASE__URL=database_url, **origins, **till.settings()))
    user = app.registration.register("anna@example.com", "long-enough-7x", opening_balance=OPENING)
    yield Shop(app, till, user.id)
    app.close()
