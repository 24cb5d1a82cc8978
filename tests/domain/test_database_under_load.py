"""Many threads and processes write at once; connections die; pools are small: nothing is lost and nothing leaks."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from replyx.errors import DatabaseUnavailable, UniqueViolation
from replyx.storage.database import Database, proxy
from tests.domain.counters import Counter, add_one, make_counters, value_of
from tests.support.processes import Box
from tests.support.programs import wait_until


def _in_threads(count: int, work: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work, number) for number in range(count)]:
            done.result()


def test_threads_that_read_and_then_write_lose_nothing(db: Database) -> None:
    make_counters(db, "a")

    def add_fifty(_: int) -> None:
        for _ in range(50):
            add_one(db, "a")

    _in_threads(8, add_fifty)

    assert value_of(db, "a") == 400


def test_processes_that_read_and_then_write_lose_nothing(db: Database, database_url: str, box: Box) -> None:
    make_counters(db, "a")
    processes = [box.start_python("-m", "tests.domain.counters", database_url, "a", "100") for _ in range(4)]

    ends = [process.wait(60) for process in processes]

    assert [(end.code, end.err) for end in ends] == [(0, "")] * 4
    assert value_of(db, "a") == 400


def test_readers_are_not_kept_waiting_by_a_writer(db: Database) -> None:
    make_counters(db, "a")

    with db.transaction():
        add_one(db, "a")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(value_of, db, "a").result(timeout=60) == 0


def test_writers_that_wait_for_their_turn_leave_the_connections_to_readers(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/queue.db", pool=2, timeout=60)
    proxy.initialize(db.native)
    make_counters(db, "a")

    with ThreadPoolExecutor(4) as writers, ThreadPoolExecutor(1) as reader:
        with db.transaction():
            waiting = [writers.submit(add_one, db, "a") for _ in range(4)]
            wait_until(lambda: _threads_in("_write_turn") == 4, 10, "the writers do not wait for their turn")
            # Beside the one of the transaction there is one connection.
            assert reader.submit(value_of, db, "a").result(timeout=60) == 0
        for one in waiting:
            one.result(timeout=60)

    assert value_of(db, "a") == 4
    db.close()


def _threads_in(function: str) -> int:
    """How many threads are in a function of that name."""
    return sum(
        any(frame.f_code.co_name == function for frame, _ in traceback.walk_stack(top))
        for top in sys._current_frames().values()
    )


def test_errors_give_connections_back(database_url: str) -> None:
    db = Database(database_url, pool=2, timeout=1)
    make_counters(db, "a")

    for _ in range(20):
        with pytest.raises(UniqueViolation), db.transaction():
            Counter.create(name="a")
        with pytest.raises(ZeroDivisionError), db.transaction(), db.transaction():
            _ = 1 / 0
        with pytest.raises(ZeroDivisionError), db.connection():
            _ = 1 / 0

    _in_threads(2, lambda _: add_one(db, "a"))
    assert value_of(db, "a") == 2
    db.close()


def test_a_pool_without_a_free_connection_says_so_in_time(database_url: str) -> None:
    db = Database(database_url, pool=2, timeout=0.5)
    both_hold, done = threading.Barrier(3), threading.Event()

    def hold(_: int) -> None:
        with db.connection():
            both_hold.wait(60)
            done.wait(60)

    with ThreadPoolExecutor(2) as pool:
        holders = [pool.submit(hold, number) for number in range(2)]
        both_hold.wait(60)
        with pytest.raises(DatabaseUnavailable), db.connection():
            pytest.fail("a third connection of two")
        done.set()
        for holder in holders:
            holder.result()
    with db.connection():
        pass
    db.close()


def test_a_lock_that_is_not_given_up_is_an_error_in_time(database_url: str) -> None:
    db = Database(database_url, pool=4, timeout=0.5)
    make_counters(db, "a")
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with db.transaction():
            add_one(db, "a")
            holds.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        assert holds.wait(60)
        with pytest.raises(DatabaseUnavailable):
            add_one(db, "a")
        done.set()
        holder.result()

    add_one(db, "a")
    assert value_of(db, "a") == 2
    db.close()


def test_a_lock_of_another_process_is_an_error_in_time(sqlite_url: str, tmp_path: Path) -> None:
    db, other = Database(sqlite_url, pool=2, timeout=5), Database(sqlite_url, pool=2, timeout=0.3)
    proxy.initialize(db.native)
    make_counters(db, "a")

    with db.transaction(), ThreadPoolExecutor(1) as pool:

        def write() -> None:
            with other.transaction():
                pytest.fail("two writers at once")

        with pytest.raises(DatabaseUnavailable, match="locked"):
            pool.submit(write).result(10)
    db.close()
    other.close()


def _end_connections(url: str) -> None:
    """What a restart of PostgreSQL does to a pool."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connection.close()


def test_connections_that_died_while_idle_are_replaced_unnoticed(postgres_url: str, postgres_db: Database) -> None:
    make_counters(postgres_db, "a")
    together = threading.Barrier(5)

    def hold(_: int) -> None:
        with postgres_db.connection():
            together.wait(60)

    _in_threads(5, hold)
    _end_connections(postgres_url)

    _in_threads(5, lambda _: add_one(postgres_db, "a"))
    assert value_of(postgres_db, "a") == 5


def test_a_connection_that_dies_in_a_transaction_changes_nothing_and_the_next_one_works(
    postgres_url: str, postgres_db: Database
) -> None:
    make_counters(postgres_db, "a")
    seen: list[str] = []

    with pytest.raises(DatabaseUnavailable), postgres_db.transaction():
        add_one(postgres_db, "a")
        postgres_db.after_commit(lambda: seen.append("never"))
        _end_connections(postgres_url)
        with postgres_db.transaction():
            add_one(postgres_db, "a")

    assert value_of(postgres_db, "a") == 0
    add_one(postgres_db, "a")
    assert value_of(postgres_db, "a") == 1
    assert seen == []


def test_a_connection_that_dies_in_a_read_is_one_error(postgres_url: str, postgres_db: Database) -> None:
    make_counters(postgres_db, "a")

    with pytest.raises(DatabaseUnavailable), postgres_db.connection():
        _end_connections(postgres_url)
        value_of(postgres_db, "a")

    assert value_of(postgres_db, "a") == 0


def test_closing_gives_every_connection_back_to_the_server(postgres_url: str, postgres_db: Database) -> None:
    make_counters(postgres_db, "a")
    _in_threads(5, lambda _: add_one(postgres_db, "a"))

    postgres_db.close()

    connection = psycopg2.connect(postgres_url)
    try:
        wait_until(lambda: _others(connection) == 0, 5, "connections are left")
    finally:
        connection.close()


def _others(connection: psycopg2.extensions.connection) -> int:
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        row = cursor.fetchone()
    return int(row[0]) - 1 if row else 0
