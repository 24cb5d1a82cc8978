"""All rows in a form that both databases give and take: for backups, and for moving from SQLite to PostgreSQL."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import peewee

from replyx.storage.bulk import put_off
from replyx.storage.database import Database, Table
from replyx.storage.leases import Lease
from replyx.storage.processes import ProcessBeat
from replyx.storage.schema import ALL_TABLES, HISTORY, schema_status

#: Rows and values that one statement inserts into SQLite, which takes 32,766 values at most; rows of one COPY.
_BATCH, _VALUES, _COPIED = 500, 30_000, 5_000


@contextmanager
def snapshot(db: Database) -> Iterator[None]:
    """One moment of the database for all reads of the block, whatever others write meanwhile.

    Raises:
        DatabaseUnavailable: no connection, or it broke.
    """
    with db.connection(), db.native.atomic("DEFERRED") if db.is_sqlite else db.native.atomic():
        if not db.is_sqlite:
            db.native.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            db.native.execute_sql("SET LOCAL statement_timeout = 0")
        yield


def schema_of(db: Database) -> list[str]:
    """Names of the applied migrations, oldest first: rows fit where the same ones are applied."""
    return list(schema_status(db).applied)


@dataclass(frozen=True)
class Shape:
    """A table as the database has it, whatever its schema's age."""

    name: str
    columns: tuple[str, ...]
    #: Columns that refer to rows of the table itself, as an operator's owner.
    own: tuple[str, ...]
    #: Columns of truth values, which SQLite keeps as 0 and 1.
    truths: frozenset[str]


def shapes_of(db: Database) -> list[Shape]:
    """The tables that are carried over, referred-to ones first; with a connection held.

    What runs at the moment is no concern of tomorrow, and the history of migrations is made by migrating.
    """
    left_out = (_name_of(ProcessBeat), _name_of(Lease), HISTORY)
    names = [name for name in db.native.get_tables() if name not in left_out and not name.startswith("sqlite_")]
    refers = {name: db.native.get_foreign_keys(name) for name in names}
    waiting = {name: {key.dest_table for key in keys} - {name} for name, keys in refers.items()}
    ordered: list[str] = []
    while ready := sorted(name for name, needs in waiting.items() if needs <= set(ordered)):
        ordered += ready
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}
    truths = _truths()
    return [
        Shape(
            name,
            tuple(column.name for column in db.native.get_columns(name)),
            tuple(key.column for key in refers[name] if key.dest_table == name),
            truths.get(name, frozenset()),
        )
        for name in ordered
    ]


def count_rows(db: Database, shapes: Sequence[Shape] | None = None) -> dict[str, int]:
    """How many rows each table has; inside `snapshot`."""
    count = "SELECT count(*) FROM {}"
    found = shapes_of(db) if shapes is None else shapes
    return {one.name: db.native.execute_sql(count.format(_quoted(one.name))).fetchone()[0] for one in found}


def read_rows(db: Database, shape: Shape) -> Iterator[list[Any]]:
    """Every row as JSON values: numbers, text, truth values, null. Inside `snapshot`."""
    names = ", ".join(map(_quoted, shape.columns))
    # Referred-to rows of the same table stand before those that refer to them.
    order = f" ORDER BY {', '.join(f'{_quoted(name)} IS NOT NULL' for name in shape.own)}" if shape.own else ""
    truths = [column in shape.truths for column in shape.columns]
    statement = f"SELECT {names} FROM {_quoted(shape.name)}{order}"  # noqa: S608 - our own names, quoted
    for row in _streamed(db, statement):
        yield [bool(v) if is_truth and v is not None else v for v, is_truth in zip(row, truths, strict=True)]


@contextmanager
def loading(db: Database) -> Iterator[None]:
    """Inside a transaction: rows are taken as they come, with no trigger adding to them; then ids go on behind them.

    Raises:
        ValueError: rows that break a rule of the schema, at the end of the block.
    """
    if not db.is_sqlite:
        db.native.execute_sql("SET LOCAL statement_timeout = 0")
    triggers = _switch_triggers_off(db)
    with put_off(db):
        yield
    for statement in triggers:
        db.native.execute_sql(statement)
    if not db.is_sqlite:
        # SQLite notes the highest id as it is inserted.
        _continue_ids(db)


def load_rows(db: Database, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows of `read_rows`, of this schema or an earlier one; inside `loading`. Returns how many.

    Raises:
        ValueError: a table or column that the database does not have, a row of another length, or values that the
            database refuses.
    """
    known = {column.name for column in db.native.get_columns(table)}
    if not known.issuperset(columns):
        raise ValueError(f"no such columns in {table}")
    names = ", ".join(_quoted(name) for name in columns)
    most = max(1, min(_BATCH, _VALUES // len(columns))) if db.is_sqlite else _COPIED
    batch: list[Sequence[Any]] = []
    loaded = 0
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"a row of {table} has {len(row)} values")
        batch.append(row)
        if len(batch) == most:
            loaded += _insert(db, table, names, batch)
            batch = []
    return loaded + (_insert(db, table, names, batch) if batch else 0)


def is_empty(db: Database) -> bool:
    """Whether nobody has used the database yet: no users, no dialogs, no money."""
    with db.connection():
        return not any(count_rows(db).values())


def _name_of(table: type[Table]) -> str:
    name: str = table._meta.table_name  # noqa: SLF001 - peewee has no other way
    return name


def _truths() -> dict[str, frozenset[str]]:
    """Table → its columns of truth values, as far as this program knows it; PostgreSQL tells them by itself."""
    return {
        _name_of(table): frozenset(
            field.column_name
            for field in table._meta.sorted_fields  # noqa: SLF001 - as above
            if isinstance(field, peewee.BooleanField)
        )
        for table in ALL_TABLES
    }


def _insert(db: Database, table: str, names: str, batch: Sequence[Sequence[Any]]) -> int:
    if not db.is_sqlite:
        _copy(db, f"COPY {_quoted(table)} ({names}) FROM STDIN", batch)
        return len(batch)
    row = f"({', '.join(['?'] * len(batch[0]))})"
    places = ", ".join([row] * len(batch))
    statement = f"INSERT INTO {_quoted(table)} ({names}) VALUES {places}"  # noqa: S608 - names the database knows
    db.native.execute_sql(statement, [value for values in batch for value in values])
    return len(batch)


def _copy(db: Database, statement: str, batch: Sequence[Sequence[Any]]) -> None:
    """By COPY, which takes a third of the time of INSERT."""
    import psycopg2

    text = "".join("\t".join(map(_as_text, row)) + "\n" for row in batch)
    # peewee begins the transaction with its first statement.
    db.native.execute_sql("SELECT 1")
    with db.native.connection().cursor() as cursor:
        try:
            cursor.connection.waiting(cursor.copy_expert, statement, io.StringIO(text))
        except psycopg2.OperationalError as error:
            raise peewee.OperationalError(str(error)) from error
        except psycopg2.Error as error:
            # The driver's own words repeat what a customer wrote.
            raise ValueError(f"the database refuses what is to be copied: {error.pgcode}") from None


def _as_text(value: Any) -> str:
    """COPY's text form; four looks for what is seldom there are quicker than one translation."""
    if not isinstance(value, str):
        return "\\N" if value is None else str(value)
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _streamed(db: Database, statement: str) -> Iterator[Sequence[Any]]:
    if db.is_sqlite:
        yield from db.native.execute_sql(statement)
        return
    # A cursor of the server's: psycopg2 would fetch all rows at once. "Hold", since peewee begins transactions by
    # itself and psycopg2 believes that there is none; the cursor is closed before the end.
    with db.native.connection().cursor("portable", withhold=True) as cursor:
        cursor.itersize = 2000
        cursor.execute(statement)
        yield from cursor


def _switch_triggers_off(db: Database) -> list[str]:
    """Switches every trigger off; returns the statements that switch them on again."""
    if not db.is_sqlite:
        names = [_quoted(name) for name in db.native.get_tables()]
        for name in names:
            db.native.execute_sql(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        return [f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in names]
    found = db.native.execute_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid")
    triggers = list(found.fetchall())
    for name, _ in triggers:
        db.native.execute_sql(f"DROP TRIGGER {_quoted(name)}")
    return [sql for _, sql in triggers]


def _continue_ids(db: Database) -> None:
    for table in db.native.get_tables():
        for column in db.native.get_columns(table):
            name = _quoted(table)
            found = db.native.execute_sql("SELECT pg_get_serial_sequence(%s, %s)", (name, column.name)).fetchone()
            if found[0] is None:
                continue
            highest = f"max({_quoted(column.name)})"
            statement = f"SELECT setval(%s, greatest({highest}, 1), {highest} IS NOT NULL) FROM {name}"  # noqa: S608
            db.native.execute_sql(statement, (found[0],))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
