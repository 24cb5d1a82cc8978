"""Upgrades keep the data, survive being killed, and end in the schema that the code expects."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from replyx.errors import ConfigError, SchemaOutdated, SchemaTooNew
from replyx.storage.database import Database
from replyx.storage.schema import ALL_TABLES, _alone, migrate, require_durability, require_schema, schema_status
from tests.migration.conftest import Stages
from tests.migration.schemas import NAMES, apply_up_to, describe, fill, rows
from tests.support.postgres import PostgresServer
from tests.support.processes import Box
from tests.support.programs import wait_until


@pytest.fixture
def empty_db(empty_database_url: str) -> Iterator[Database]:
    """A database without a table: the test runs once on each kind."""
    db = Database(empty_database_url, pool=4, timeout=5)
    yield db
    db.close()


@pytest.fixture
def second_db(empty_db: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Another database of the same kind, empty too."""
    if empty_db.is_sqlite:
        db = Database(f"sqlite:///{tmp_path / 'second.db'}", pool=4, timeout=5)
        yield db
        db.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create()
    db = Database(url, pool=4, timeout=5)
    yield db
    db.close()
    server.drop(url)


def test_migrations_end_in_the_schema_that_the_code_expects(empty_db: Database, second_db: Database) -> None:
    migrate(empty_db)
    with second_db.transaction():
        second_db.native.create_tables(ALL_TABLES)

    assert describe(empty_db, triggers=False) == describe(second_db, triggers=False)


@pytest.mark.parametrize("name", NAMES)
def test_every_older_schema_upgrades_and_keeps_its_rows(
    empty_db: Database, empty_database_url: str, stages: Stages, name: str
) -> None:
    stages.put(empty_database_url, name)
    filled = fill(empty_db)

    applied = migrate(empty_db)

    assert applied == [later for later in NAMES if later > name]
    assert rows(empty_db, filled) == {table: [values] for table, (_, values) in filled.items()}
    assert describe(empty_db) == stages.newest(is_sqlite=empty_db.is_sqlite)


def test_migrating_twice_changes_nothing(empty_db: Database) -> None:
    assert migrate(empty_db) == list(NAMES)
    schema = describe(empty_db)

    assert migrate(empty_db) == []
    assert describe(empty_db) == schema
    require_schema(empty_db)


def test_an_older_schema_is_refused_with_the_command(empty_db: Database) -> None:
    apply_up_to(empty_db, NAMES[-2])

    with pytest.raises(SchemaOutdated, match="replyx db migrate") as refused:
        require_schema(empty_db)

    assert "replyx db migrate" in refused.value.message_ru


def test_an_empty_database_is_refused_with_the_command(empty_db: Database) -> None:
    with pytest.raises(SchemaOutdated, match=f"lacks {len(NAMES)} migrations"):
        require_schema(empty_db)


def test_a_newer_schema_is_refused_with_the_command(empty_db: Database) -> None:
    migrate(empty_db)
    with empty_db.transaction():
        empty_db.native.execute_sql(
            "INSERT INTO schema_migration (name, applied) VALUES ('9999_of_the_future', '2030-01-01')"
        )
    schema = describe(empty_db)

    for refuse in (require_schema, migrate):
        with pytest.raises(SchemaTooNew, match="pip install --upgrade replyx") as refused:
            refuse(empty_db)
        assert "9999_of_the_future" in refused.value.message_ru

    assert schema_status(empty_db).unknown == ("9999_of_the_future",)
    assert describe(empty_db) == schema


@pytest.mark.parametrize(
    "moment",
    [
        'CREATE TABLE.*"holds"',
        "CREATE (UNIQUE )?INDEX.*replies",
        "INSERT INTO.*schema_migration.*0006",
        "CREATE TRIGGER.*ledger_entries",
    ],
)
def test_a_migration_that_is_killed_leaves_nothing_half_done_and_is_done_by_the_next(
    empty_db: Database, second_db: Database, empty_database_url: str, stages: Stages, box: Box, moment: str
) -> None:
    killed = box.start_python("-m", "tests.migration.migrating", empty_database_url, "--die-before", moment).wait()
    assert killed.code == -signal.SIGKILL, killed.err
    # PostgreSQL notices the death a moment later.
    wait_until(lambda: not _others(empty_db), 10, "the dead process still has a connection")

    applied = schema_status(empty_db).applied
    assert 0 < len(applied) < len(NAMES)
    apply_up_to(second_db, applied[-1])
    assert describe(empty_db) == describe(second_db)

    assert migrate(empty_db) == list(NAMES[len(applied) :])
    assert describe(empty_db) == stages.newest(is_sqlite=empty_db.is_sqlite)


def test_processes_that_migrate_at_once_do_it_once(empty_db: Database, empty_database_url: str, box: Box) -> None:
    start = ["-m", "tests.migration.migrating", empty_database_url, "--at", str(time.time() + 2)]
    processes = [box.start_python(*start) for _ in range(4)]

    ends = [process.wait(60) for process in processes]

    assert [(end.code, end.err) for end in ends] == [(0, "")] * 4
    assert schema_status(empty_db).applied == NAMES
    require_schema(empty_db)


def test_a_long_migration_of_another_process_is_waited_for(empty_postgres_url: str) -> None:
    first, second = (Database(empty_postgres_url, pool=2, timeout=0.2) for _ in range(2))

    with ThreadPoolExecutor(1) as pool:
        with first.connection(), _alone(first):
            waiting = pool.submit(migrate, second)
            wait_until(lambda: _waits_for_a_lock(first), 10, "nobody waits")
            first.native.execute_sql("SELECT pg_sleep(0.5)")
        assert waiting.result(10) == list(NAMES)

    with second.connection():
        assert second.native.execute_sql("SHOW lock_timeout").fetchone()[0] == "200ms"
    first.close()
    second.close()


def test_a_fresh_database_is_durable(empty_db: Database) -> None:
    require_durability(empty_db)


def test_a_server_that_may_forget_is_refused(postgres_db: Database, postgres_url: str) -> None:
    name = postgres_url.rsplit("/", 1)[1]
    with postgres_db.connection():
        postgres_db.native.execute_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    postgres_db.close()

    with pytest.raises(ConfigError, match="synchronous_commit = off, must be on"):
        require_durability(postgres_db)


def _waits_for_a_lock(db: Database) -> bool:
    count: int = db.native.execute_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]
    return count > 0


def _others(db: Database) -> bool:
    """Whether anybody else is connected."""
    if db.is_sqlite:
        return False
    with db.connection():
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        count: int = db.native.execute_sql(query).fetchone()[0]
    return count > 1
