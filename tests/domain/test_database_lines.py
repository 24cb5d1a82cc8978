"""Lines to PostgreSQL that go dead, stall or are only slow: statements end in time, or go on where they work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from replyx.errors import DatabaseUnavailable
from replyx.storage.database import Database
from replyx.testing.fault_proxy import Fault, FaultProxy

#: Seconds of patience; looks and connections take some more.
_PATIENCE = 0.5


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", urlsplit(postgres_url).port or 0) as proxy:
        yield proxy


@pytest.fixture
def far(postgres_url: str, proxy: FaultProxy) -> Iterator[Database]:
    """A database behind the proxy, with a connection in its pool."""
    url = postgres_url.replace(f":{urlsplit(postgres_url).port}/", f":{proxy.port}/")
    database = Database(url, pool=4, timeout=_PATIENCE)
    _ask(database)
    yield database
    database.close()


def _ask(database: Database, sql: str = "SELECT 7") -> int:
    with database.connection():
        return int(database.native.execute_sql(sql).fetchone()[0])


@pytest.mark.parametrize("is_in_transaction", [True, False])
def test_a_server_that_is_gone_without_a_word_is_given_up_in_seconds(
    far: Database, proxy: FaultProxy, *, is_in_transaction: bool
) -> None:
    start = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        if is_in_transaction:
            with far.transaction():
                proxy.fault = Fault(swallow=True)
                far.native.execute_sql("SELECT 7")
        else:
            proxy.fault = Fault(swallow=True)
            _ask(far)

    assert time.monotonic() - start < 10
    proxy.fault = Fault()
    assert _ask(far) == 7


def test_a_commit_that_is_never_confirmed_is_given_up_in_seconds(far: Database, proxy: FaultProxy) -> None:
    with pytest.raises(DatabaseUnavailable), far.transaction():
        far.native.execute_sql("SELECT 7")
        proxy.fault = Fault(swallow=True)


def test_a_statement_that_takes_its_time_is_waited_for(far: Database) -> None:
    assert _ask(far, f"SELECT 7 FROM pg_sleep({6 * _PATIENCE})") == 7
