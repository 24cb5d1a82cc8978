"""What slows many rows down is put off: PostgreSQL's foreign keys and indexes are made anew once all rows are there.

Checking each row's references and adding it to every index takes most of the time of a restore; making an index of all
rows at once, and checking all references by one join, takes a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peewee

from replyx.storage.database import Database

#: Foreign keys, then indexes that are no constraint's: (what drops it, what makes it). Those with conditions stay: read
#: back and made anew, a condition is written in other words. The driver wants each % twice.
_FOREIGN_KEYS = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE contype = 'f' AND pg_table_is_visible(conrelid) ORDER BY conname
"""
_INDEXES = """
SELECT format('DROP INDEX %%s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
 WHERE c.relkind = 'r' AND i.indpred IS NULL AND i.indexprs IS NULL
   AND pg_table_is_visible(c.oid) AND c.relnamespace <> 'pg_catalog'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid) ORDER BY i.indexrelid
"""


@contextmanager
def put_off(db: Database) -> Iterator[None]:
    """Inside a transaction of PostgreSQL: rows are checked and indexed at the end of the block; SQLite does it at once.

    Raises:
        ValueError: the rows break a rule of the schema, such as a reference to a row that is not there.
    """
    if db.is_sqlite:
        yield
        return
    found = [tuple(row) for query in (_FOREIGN_KEYS, _INDEXES) for row in db.native.execute_sql(query).fetchall()]
    for drop, _ in found:
        db.native.execute_sql(drop.replace("%", "%%"))
    yield
    try:
        # Indexes first: checking references goes by them.
        for _, make in reversed(found):
            db.native.execute_sql(make.replace("%", "%%"))
    except peewee.IntegrityError as error:
        # The driver's own words repeat what a customer wrote.
        raise ValueError("the rows do not fit each other") from error
