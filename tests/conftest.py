"""Fixtures of all tests: databases of both kinds, Redis, a clock, configuration; and what no test may leave behind."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler.loadfile import LoadFileScheduling

from replyx.config.loading import load_config
from replyx.config.settings import Config
from replyx.events.memory import MemoryBus
from replyx.security import passwords
from replyx.storage.database import Database
from replyx.storage.schema import migrate
from tests.support import guard
from tests.support.clock import MovableClock
from tests.support.leftovers import Leftovers
from tests.support.postgres import PostgresServer, name_of
from tests.support.processes import LEAN, Box, open_box
from tests.support.redis import RedisServer

guard.install()


class _ByFile(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests run in one process, and all that need a browser: their appliance, its documents, Chromium."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/browser" if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByFile:
    return _ByFile(config, log)


# Tests that a script runs in its background inherit that Ctrl+C is ignored, and would hand it down to what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every machine, and no limit on time: two cores may be busy.
settings.register_profile("replyx", derandomize=True, deadline=None)
settings.load_profile("replyx")
# `make machines`: new examples at every run, and more of them.
settings.register_profile("long", derandomize=False, deadline=None)

#: Seconds that tests wait for a lock or a connection, as the product's default.
_TIMEOUT = 5.0


#: Tests make thousands of accounts, of which few are about what a hash costs.
_QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture(autouse=True)
def _quick_hashes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Argon2id in this process costs next to nothing, but where a test is marked `real_hashes`."""
    real = passwords.hasher
    if "real_hashes" not in request.keywords:
        passwords.hasher = _QUICK
    yield
    passwords.hasher = real


@pytest.fixture(autouse=True)
def _clean_run() -> Iterator[None]:
    """Fails the test that reached for another machine, or left a process or a thread behind."""
    before = Leftovers()
    yield
    outside, left = guard.refused(), before.end_new_ones()
    assert not outside, f"the test reached for another machine: {outside}"
    assert not left, f"the test left behind: {left}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated database that nobody is connected to."""
    url = postgres_server.create()
    _migrate(url)
    return name_of(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file that nobody has open."""
    file = tmp_path_factory.mktemp("template") / "replyx.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh migrated SQLite database's URL."""
    shutil.copy(sqlite_template, tmp_path / "replyx.db")
    return f"sqlite:///{tmp_path / 'replyx.db'}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A fresh migrated PostgreSQL database's URL."""
    url = postgres_server.create(postgres_template)
    yield url
    postgres_server.drop(url)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a PostgreSQL database without a table."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated database's URL: the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without a table: the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'replyx.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A migrated database: the test runs once on each kind."""
    yield from _opened(database_url)


@pytest.fixture
def sqlite_db(sqlite_url: str) -> Iterator[Database]:
    yield from _opened(sqlite_url)


@pytest.fixture
def postgres_db(postgres_url: str) -> Iterator[Database]:
    yield from _opened(postgres_url)


@pytest.fixture(scope="session")
def redis_server_of_run() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def redis_server(redis_server_of_run: RedisServer) -> RedisServer:
    """The run's Redis, empty; a test may kill it and start it again."""
    redis_server_of_run.flush()
    return redis_server_of_run


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def bus() -> Iterator[MemoryBus]:
    bus = MemoryBus()
    yield bus
    bus.close()


#: Makes a `Config` from the environment's names: `configure(REPLYX_SERVER__PORT="0")`.
Configure = Callable[..., Config]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Makes configurations that know nothing of this machine; the data directory is the test's own."""
    empty = tmp_path / "replyx.toml"

    def make(**environment: str) -> Config:
        empty.touch()
        return load_config(empty, {"REPLYX_DATA_DIR": str(tmp_path), **LEAN, **environment})

    return make


@pytest.fixture
def config(configure: Configure) -> Config:
    return configure()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """An empty folder to run `replyx` processes in."""
    with open_box(tmp_path / "box") as box:
        yield box


def _migrate(url: str) -> None:
    database = Database(url, pool=2, timeout=_TIMEOUT)
    migrate(database)
    database.close()


def _opened(url: str) -> Iterator[Database]:
    database = Database(url, pool=20, timeout=_TIMEOUT)
    yield database
    database.close()
