"""Transactions tell the truth on SQLite and on PostgreSQL: nesting, effects, errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from replyx.errors import ConfigError, Conflict, DatabaseUnavailable, DiskFull, UniqueViolation
from replyx.storage.accounts import RevokedToken
from replyx.storage.billing import LedgerEntry, LedgerTransfer
from replyx.storage.database import Database, proxy
from replyx.storage.schema import require_durability
from tests.domain.counters import Counter, add_one, make_counters, value_of


@pytest.fixture
def other(db: Database, database_url: str) -> Iterator[Database]:
    """The same database through another pool: what another process would see."""
    other = Database(database_url, pool=2, timeout=1)
    proxy.initialize(db.native)
    yield other
    other.close()


class Stop(Exception):
    """Raised by a test inside a transaction."""


def test_a_transaction_that_fails_changes_nothing(db: Database) -> None:
    make_counters(db, "a")

    with pytest.raises(Stop), db.transaction():
        add_one(db, "a")
        raise Stop

    assert value_of(db, "a") == 0


def test_a_failed_savepoint_undoes_only_itself(db: Database) -> None:
    make_counters(db, "outer", "inner", "after")

    with db.transaction():
        add_one(db, "outer")
        with pytest.raises(Stop), db.transaction():
            add_one(db, "inner")
            raise Stop
        add_one(db, "after")

    assert [value_of(db, name) for name in ("outer", "inner", "after")] == [1, 0, 1]


def test_a_provisional_transaction_does_not_wait_for_the_disk_unless_effects_wait_for_it(tmp_path: Path) -> None:
    file, log, aside = (tmp_path / name for name in ("a.db", "a.db-wal", "aside"))
    db = Database(f"sqlite:///{file}", pool=2, timeout=5)
    make_counters(db, "a")
    told: list[str] = []

    # Without its log nothing can be waited for; SQLite itself goes on with the file that it has open.
    with db.transaction(provisional=True):
        add_one(db, "a")
        log.rename(aside)
    aside.rename(log)
    with pytest.raises(DatabaseUnavailable), db.transaction(provisional=True):
        add_one(db, "a")
        db.after_commit(lambda: told.append("too early"))
        log.rename(aside)
    aside.rename(log)
    with db.transaction(provisional=True):
        add_one(db, "a")
        db.after_commit(lambda: told.append("lasting"))

    assert told == ["lasting"]
    assert value_of(db, "a") == 3
    db.close()


def test_a_provisional_transaction_fails_and_nests_as_any_other_and_the_next_one_waits_again(db: Database) -> None:
    make_counters(db, "a")

    with pytest.raises(Stop), db.transaction(provisional=True):
        add_one(db, "a")
        raise Stop
    with db.transaction(), db.transaction(provisional=True):
        add_one(db, "a")

    assert value_of(db, "a") == 1
    require_durability(db)


def test_a_taken_key_inside_a_savepoint_leaves_the_transaction_usable(db: Database) -> None:
    make_counters(db, "a")

    with db.transaction():
        with pytest.raises(UniqueViolation), db.transaction():
            Counter.create(name="a")
        add_one(db, "a")

    assert value_of(db, "a") == 1


def test_a_savepoint_dies_with_its_transaction(db: Database) -> None:
    make_counters(db, "a")

    with pytest.raises(Stop), db.transaction():
        with db.transaction():
            add_one(db, "a")
        raise Stop

    assert value_of(db, "a") == 0


def test_effects_run_in_order_after_the_commit_is_visible_to_others(db: Database, other: Database) -> None:
    make_counters(db, "a")
    seen: list[str] = []

    def look(name: str) -> None:
        with other.connection():
            value = other.native.execute_sql("SELECT value FROM test_counters").fetchone()[0]
        seen.append(f"{name} {value}")

    with db.transaction():
        db.after_commit(lambda: look("first"))
        with db.transaction():
            db.after_commit(lambda: look("second"))
        add_one(db, "a")
        db.after_commit(lambda: look("third"))
        assert seen == []

    assert seen == ["first 1", "second 1", "third 1"]


def test_effects_of_a_failed_savepoint_are_dropped(db: Database) -> None:
    seen: list[str] = []

    with db.transaction():
        db.after_commit(lambda: seen.append("before"))
        with pytest.raises(Stop), db.transaction():
            db.after_commit(lambda: seen.append("inside"))
            with db.transaction():
                db.after_commit(lambda: seen.append("deep inside"))
            raise Stop
        db.after_commit(lambda: seen.append("after"))

    assert seen == ["before", "after"]


def test_effects_of_a_failed_transaction_are_dropped_and_the_next_one_starts_empty(db: Database) -> None:
    seen: list[str] = []

    with pytest.raises(Stop), db.transaction():
        db.after_commit(lambda: seen.append("never"))
        raise Stop
    with db.transaction():
        db.after_commit(lambda: seen.append("now"))

    assert seen == ["now"]


def test_an_effect_may_open_a_transaction_with_effects_of_its_own(db: Database) -> None:
    make_counters(db, "a")
    seen: list[str] = []

    def effect() -> None:
        with db.transaction():
            add_one(db, "a")
            db.after_commit(lambda: seen.append("inner"))
        seen.append("outer")

    with db.transaction():
        db.after_commit(effect)

    assert seen == ["inner", "outer"]
    assert value_of(db, "a") == 1


def test_an_effect_that_fails_is_logged_and_stops_nothing(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def fail() -> None:
        raise Stop

    with caplog.at_level(logging.ERROR, logger="replyx.storage.database"), db.transaction():
        db.after_commit(fail)
        db.after_commit(lambda: seen.append("ran"))

    assert seen == ["ran"]
    assert "effect after the commit failed" in caplog.text


def test_outside_a_transaction_an_effect_runs_at_once(db: Database) -> None:
    seen: list[str] = []

    db.after_commit(lambda: seen.append("now"))

    assert seen == ["now"]


def test_a_commit_that_the_database_refuses_runs_no_effect(postgres_db: Database) -> None:
    seen: list[str] = []
    with postgres_db.connection():
        postgres_db.native.execute_sql(
            "CREATE TABLE strict (name TEXT, CONSTRAINT once UNIQUE (name) DEFERRABLE INITIALLY DEFERRED)"
        )

    with pytest.raises(UniqueViolation), postgres_db.transaction():
        postgres_db.native.execute_sql("INSERT INTO strict VALUES ('a'), ('a')")
        postgres_db.after_commit(lambda: seen.append("never"))

    assert seen == []


def test_a_taken_key_is_a_unique_violation(db: Database) -> None:
    make_counters(db, "a")

    with pytest.raises(UniqueViolation), db.transaction():
        Counter.create(name="a")


def test_a_taken_key_is_known_by_its_code_whatever_language_the_server_speaks(postgres_db: Database) -> None:
    with postgres_db.connection():
        postgres_db.native.execute_sql("DO $$ BEGIN CREATE TABLE busy (name TEXT); END $$")
        postgres_db.native.execute_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'повторяющееся значение ключа' USING ERRCODE = '23505'; END $$"
        )
        postgres_db.native.execute_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON busy FOR EACH ROW EXECUTE FUNCTION refuse()"
        )

    with pytest.raises(UniqueViolation), postgres_db.transaction():
        postgres_db.native.execute_sql("INSERT INTO busy VALUES ('a')")


def test_a_value_with_the_word_unique_in_it_is_no_unique_violation(db: Database) -> None:
    # PostgreSQL repeats the refused row in its message.
    with pytest.raises(Conflict) as refused, db.transaction():
        LedgerTransfer.create(key="unique", kind="credit", user_id=1, amount=0, description="unique", created_at=0)

    assert not isinstance(refused.value, UniqueViolation)


def test_another_broken_rule_is_a_conflict(db: Database) -> None:
    with pytest.raises(Conflict) as refused, db.transaction():
        LedgerEntry.create(transfer=404, account="revenue", amount=1)

    assert not isinstance(refused.value, UniqueViolation)
    assert refused.value.message_ru.startswith("База отклонила изменение")
    # The driver's words name tables, and may repeat what somebody wrote.
    said = f"{refused.value.message_ru} {refused.value.message_en} {refused.value.details}".lower()
    assert not any(word in said for word in ("constraint", "check", "null", "users", "foreign"))


@pytest.mark.parametrize("statement", ["UPDATE {} SET amount = 7", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["ledger_transfers", "ledger_entries"])
def test_the_ledger_refuses_to_be_changed(db: Database, table: str, statement: str) -> None:
    with db.transaction():
        transfer = LedgerTransfer.create(key="k", kind="credit", user_id=1, amount=5, description="d", created_at=0)
        LedgerEntry.create(transfer=transfer, account="user:1", amount=5)

    with pytest.raises(Conflict, match="refused the change"), db.transaction():
        db.native.execute_sql(statement.format(table))

    with db.connection():
        assert db.native.execute_sql(f"SELECT amount FROM {table}").fetchall() == [(5,)]


def test_a_full_disk_is_said_to_be_full_and_changes_nothing(db: Database) -> None:
    with pytest.raises(DiskFull), db.transaction():
        _fill_up(db)
    with db.transaction():
        assert RevokedToken.select().count() == 0


def _fill_up(db: Database) -> None:
    if not db.is_sqlite:
        # PostgreSQL's own code of an extension of a file that found no room.
        db.native.execute_sql("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$")
    pages = db.native.execute_sql("PRAGMA page_count").fetchone()[0]
    db.native.execute_sql(f"PRAGMA max_page_count = {pages}")
    try:
        for number in range(1000):
            RevokedToken.create(jti=f"{number:064}", expires_at=number)
    finally:
        db.native.execute_sql("PRAGMA max_page_count = 1000000")


def test_the_database_s_time_is_its_own_and_moves_on(db: Database) -> None:
    with db.connection():
        now, later = (
            db.native.execute_sql(f"SELECT {db.now_ms(plus_seconds=seconds).sql}").fetchone()[0] for seconds in (0, 90)
        )

    assert 90_000 <= later - now <= 95_000
    assert now > 1_700_000_000_000


def test_a_name_may_look_like_sql(db: Database) -> None:
    jti = "'; DROP TABLE users; --"
    with db.transaction():
        RevokedToken.create(jti=jti, expires_at=0)

    with db.connection():
        assert RevokedToken.get(RevokedToken.jti == jti).jti == jti


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://localhost/replyx", "sqlite:///PATH or postgresql://"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_with_what_to_write(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Database(url, pool=2, timeout=1)


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    absent = Database("postgresql://nobody:secret-7@127.0.0.1:1/replyx", pool=2, timeout=1)

    with pytest.raises(DatabaseUnavailable) as refused, absent.connection():
        pytest.fail("connected to nothing")

    assert "\n" not in refused.value.message_en
    assert "secret-7" not in refused.value.message_en
