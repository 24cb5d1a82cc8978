"""How many rows each list has, kept by triggers: a change adds a row of +1 or -1, and now and then those are summed up.

Adding rows makes nobody wait for anybody, as one counter for all would. The triggers stand in the migration that made
the table; what a list of dialogs may be asked by are the columns here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import peewee
from peewee import fn

from replyx.storage.database import Database, Table

#: Groups that one call of `fold_counts` sums up at most.
_MOST_FOLDED = 1000


class RowCount(Table):
    """A part of the number of rows with these values; the number is the sum of `n`."""

    id = peewee.BigAutoField()
    #: The table that is counted.
    counted = peewee.CharField(20)
    #: The user, or 0 where the table has none.
    owner_id = peewee.BigIntegerField()
    assistant_id = peewee.BigIntegerField()
    #: Of dialogs: status, handoff_status, platform. Of others what they are filtered by, or nothing.
    first = peewee.CharField(40)
    second = peewee.CharField(12)
    third = peewee.CharField(12)
    n = peewee.BigIntegerField()

    class Meta:
        table_name = "row_counts"
        indexes = ((("counted", "owner_id", "assistant_id"), False),)


_GROUP = (
    *(RowCount.counted, RowCount.owner_id, RowCount.assistant_id),
    *(RowCount.first, RowCount.second, RowCount.third),
)


def kept_count(counted: str, **wanted: Any) -> int:
    """How many rows the table `counted` has with these values, in a connection.

    None means any; of a collection, or a query, one of its values.
    """
    query = RowCount.select(fn.SUM(RowCount.n)).where(RowCount.counted == counted)
    for name, value in wanted.items():
        column = getattr(RowCount, name)
        if isinstance(value, peewee.Query | tuple):
            query = query.where(column.in_(value))
        elif value is not None:
            query = query.where(column == value)
    return int(query.scalar() or 0)


def kept_counts_by_owner(counted: str, owner_ids: Collection[int]) -> dict[int, int]:
    """Owner → how many rows of the table are its; in a connection."""
    mine = (RowCount.counted == counted) & RowCount.owner_id.in_(list(owner_ids))
    rows: Any = RowCount.select(RowCount.owner_id, fn.SUM(RowCount.n)).where(mine).group_by(RowCount.owner_id)
    return {int(owner): int(total) for owner, total in rows.tuples()}


def fold_counts(db: Database) -> int:
    """Put one row in place of the many of each group; returns how many groups had many. Changes no number."""
    with db.connection():
        many: Any = RowCount.select(*_GROUP, fn.MAX(RowCount.id)).group_by(*_GROUP).having(fn.COUNT(RowCount.id) > 1)
        found = list(many.order_by(*_GROUP).limit(_MOST_FOLDED).tuples())
    for *group, newest in found:
        with db.transaction():
            same = [column == value for column, value in zip(_GROUP, group, strict=True)]
            # What it removed itself: another process may be at it, too.
            removed = RowCount.delete().where(*same, RowCount.id <= newest).returning(RowCount.n).execute()
            total = sum(row.n for row in removed)
            if total:
                names = (column.name for column in _GROUP)
                RowCount.create(**dict(zip(names, group, strict=True)), n=total)
    return len(found)
