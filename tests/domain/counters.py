"""A table of counters, and a process that adds to one: what tests of transactions write to.

Run as a program: `python -m tests.domain.counters URL NAME TIMES`.
"""

from __future__ import annotations

import sys

import peewee

from replyx.storage.database import Database, Table


class Counter(Table):
    """A named number."""

    name = peewee.CharField(50, primary_key=True)
    value = peewee.IntegerField(default=0)

    class Meta:
        table_name = "test_counters"


def make_counters(db: Database, *names: str) -> None:
    """Make the table with one counter at 0 for each name."""
    with db.transaction():
        db.native.create_tables([Counter])
        for name in names:
            Counter.create(name=name)


def value_of(db: Database, name: str) -> int | None:
    """The counter's value; None where there is no such counter."""
    with db.connection():
        row = Counter.get_or_none(Counter.name == name)
        return None if row is None else int(row.value)


def add_one(db: Database, name: str) -> None:
    """Read, then write what was read plus one: right only where nobody writes between."""
    with db.transaction():
        row = db.locked(Counter.select().where(Counter.name == name)).get()
        Counter.update(value=row.value + 1).where(Counter.name == name).execute()


def main(url: str, name: str, times: int) -> None:
    db = Database(url, pool=2, timeout=30)
    for _ in range(times):
        add_one(db, name)
    db.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
