"""Moving an installation from one database to another: SQLite to PostgreSQL, or back."""

from __future__ import annotations

from contextlib import closing

from replyx.backup.making import Progress
from replyx.errors import Conflict
from replyx.storage.database import Database
from replyx.storage.portable import count_rows, is_empty, load_rows, loading, read_rows, shapes_of, snapshot
from replyx.storage.schema import migrate, require_schema


def move(source: Database, url: str, timeout: float, progress: Progress | None = None) -> dict[str, int]:
    """Copy every row of `source` into the empty database at `url`, in one step; returns the rows of each table.

    `source` stays as it is. Nothing may run on either of them.

    Raises:
        Conflict: the other database is not empty. SchemaOutdated: `source` is not migrated.
        DatabaseUnavailable: one of the two cannot be reached.
    """
    with closing(Database(url, pool=2, timeout=timeout)) as target:
        require_schema(source)
        migrate(target)
        if not is_empty(target):
            raise Conflict(
                "В той базе уже есть данные. Перенос возможен только в пустую.",
                "The other database holds data already. Give an empty one.",
            )
        with snapshot(source), target.transaction(), loading(target):
            shapes = shapes_of(source)
            rows = count_rows(source, shapes)
            done, total = 0, max(1, sum(rows.values()))
            for shape in shapes:
                done += load_rows(target, shape.name, shape.columns, read_rows(source, shape))
                if progress is not None:
                    progress(done, total)
    return rows
