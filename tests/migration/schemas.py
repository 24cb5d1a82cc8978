"""A database's schema as plain rows that can be compared, and migrations applied as far as a test wants."""

from __future__ import annotations

from typing import Any

from playhouse.migrations import Runner

from replyx.storage.database import Database
from replyx.storage.schema import MIGRATIONS

#: Names of all migrations, oldest first.
NAMES = tuple(sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py")))

#: What migrations keep for themselves.
_OWN = "schema_migration"

#: What triggers fill.
_KEPT = "row_counts"

_POSTGRES = """
SELECT table_name, column_name, data_type, character_maximum_length::text, is_nullable, column_default
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT tablename, indexname, indexdef, NULL, NULL, NULL FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL, NULL
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), NULL, NULL, NULL FROM pg_trigger WHERE NOT tgisinternal
"""


def apply_up_to(db: Database, name: str) -> None:
    """Apply migrations up to `name`, as the ReplyX of its time would have."""
    with db.connection():
        Runner(db.native, directory=str(MIGRATIONS)).up(target=name)


def describe(db: Database, *, triggers: bool = True) -> set[tuple[Any, ...]]:
    """Every column, index, constraint and trigger, in the database's own words."""
    query = "SELECT tbl_name, name, type, sql FROM sqlite_master" if db.is_sqlite else _POSTGRES
    with db.connection():
        rows = {tuple(row) for row in db.native.execute_sql(query).fetchall()}
    kept = {row for row in rows if row[0] != _OWN and not row[0].startswith("sqlite_")}
    return kept if triggers else {row for row in kept if "TRIGGER" not in f"{row[2]} {row[-1]}".upper()}


def fill(db: Database) -> dict[str, tuple[Any, ...]]:
    """Put one row into every table; returns the rows."""
    with db.transaction():
        return {table: _fill_table(db, table) for table in _tables(db)}


def rows(db: Database, like: dict[str, tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    """What is in the tables of `like` now, in the columns that were filled."""
    with db.connection():
        return {
            table: [tuple(row) for row in db.native.execute_sql(f'SELECT {columns} FROM "{table}"').fetchall()]
            for table, (columns, _) in like.items()
        }


def _tables(db: Database) -> list[str]:
    """Tables without those of the migrations, referred-to ones first."""
    left = {name: {key.dest_table for key in db.native.get_foreign_keys(name)} for name in db.native.get_tables()}
    left = {name: needs for name, needs in left.items() if name not in (_OWN, _KEPT) and not name.startswith("sqlite_")}
    ordered: list[str] = []
    while left:
        ready = sorted(name for name, needs in left.items() if needs - {name} <= set(ordered))
        assert ready, f"tables refer to each other in a circle: {left}"
        ordered += ready
        for name in ready:
            del left[name]
    return ordered


def _fill_table(db: Database, table: str) -> tuple[Any, ...]:
    columns = [column for column in db.native.get_columns(table) if column.name != "id"]
    names = ", ".join(f'"{column.name}"' for column in columns)
    values = tuple(_value(column.data_type.lower()) for column in columns)
    marks = ", ".join([db.native.param] * len(columns))
    db.native.execute_sql(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', values)
    return names, values


def _value(kind: str) -> Any:
    if "bool" in kind:
        return True
    if "real" in kind or "double" in kind or "float" in kind:
        return 0.5
    # 1 is also the id that the first row of every table gets, so foreign keys hold.
    return 1 if "int" in kind else "1"
