"""Whether the database's own structures are whole: pages, indexes, references."""

from __future__ import annotations

import peewee

from replyx.storage.database import Database

#: Most faults that are told; the first of them says enough.
_MOST = 20


def integrity_faults(db: Database) -> list[str]:
    """What the database says of itself; empty where all is whole. Reads every page of an SQLite file.

    Raises:
        DatabaseUnavailable: it cannot be reached.
    """
    with db.connection():
        try:
            return _of_file(db) if db.is_sqlite else _of_server(db)
        except peewee.DatabaseError as error:
            # What is broken enough cannot even be checked.
            return [str(error)]


def _of_file(db: Database) -> list[str]:
    pages = [str(row[0]) for row in db.native.execute_sql(f"PRAGMA integrity_check({_MOST})").fetchall()]
    broken = db.native.execute_sql("PRAGMA foreign_key_check").fetchmany(_MOST)
    faults = [page for page in pages if page != "ok"]
    return faults + [f"{table} row {row} refers to a missing row of {parent}" for table, row, parent, _ in broken]


def _of_server(db: Database) -> list[str]:
    invalid = db.native.execute_sql(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid LIMIT %s",
        (_MOST,),
    )
    return [f"invalid index {name}" for (name,) in invalid.fetchall()]
