"""Statements whose SQL is made once: peewee builds a query's text anew at every run, which costs more than running it.

For the few statements that every message goes through. The query is written as any other, with a `Slot` where a value
goes; `bind` gives it values and answers a query that runs like the one it was made from. Which column of a row goes
where is found out once, too: for a dialog with its assistant that costs more than reading them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import peewee

from replyx.storage.database import proxy

Q = TypeVar("Q", bound=peewee.Query)


@dataclass(frozen=True)
class _Place:
    """What stands among a statement's values where a slot is."""

    name: str
    field: Any

    def of(self, values: dict[str, Any]) -> Any:
        """The database's form of this slot's value."""
        value = values[self.name]
        return value if self.field is None else self.field.db_value(value)


class Slot(peewee.Node):
    """The place of a value in a prepared statement. With a `field` it is converted as that column's values are."""

    def __init__(self, name: str, field: peewee.Field | None = None) -> None:
        self._place = _Place(name, field)

    def __sql__(self, ctx: Any) -> Any:
        return ctx.value(self._place, converter=False)


#: What a reader of rows knows of its own run; the rest of it, once it has met the first row, is of the statement.
_OF_ONE_RUN = frozenset(("cursor", "count", "index", "initialized", "populated", "row_cache", "initialize"))


class _Made:
    """A statement's text with its values and places, and how its rows are read, once that is known."""

    def __init__(self, query: Any) -> None:
        self._query = query
        self._sql, self._params = query.sql()
        self._shape: dict[str, Any] | None = None

    def bound(self, values: dict[str, Any]) -> Any:
        """A query like the one this was made of, with `values` in its places."""
        bound = self._query.clone()
        # `SQL` with parameters is peewee's own way of writing a text and its values into a statement.
        params = [p.of(values) if isinstance(p, _Place) else p for p in self._params]
        bound.__sql__ = peewee.SQL(self._sql, params).__sql__
        bound._get_cursor_wrapper = self._rows  # noqa: SLF001 - peewee asks nobody else how rows are read
        return bound

    def _rows(self, cursor: Any) -> Any:
        """peewee's reader of rows, which need not look again at what all runs of a statement have in common."""
        rows = self._query._get_cursor_wrapper(cursor)  # noqa: SLF001 - as above
        if self._shape is not None:
            vars(rows).update(self._shape)
            rows.initialized = True
            return rows
        look = rows.initialize

        def initialize() -> None:
            look()
            self._shape = {name: value for name, value in vars(rows).items() if name not in _OF_ONE_RUN}

        rows.initialize = initialize
        return rows


class Prepared(Generic[Q]):
    """A statement with slots; its text is made at the first run, once for each kind of database."""

    def __init__(self, make: Callable[[], Q]) -> None:
        self._make = make
        self._made: dict[type, _Made] = {}

    def bind(self, **values: Any) -> Q:
        """The statement with `values` in its slots, ready to be executed or iterated over, once."""
        kind = type(proxy.obj)
        if kind not in self._made:
            self._made[kind] = _Made(self._make())
        bound: Q = self._made[kind].bound(values)
        return bound


def insertion(table: type[peewee.Model], *names: str) -> Prepared[Any]:
    """A prepared INSERT of a row with these columns; what is not named has the column's default."""

    def make() -> Any:
        return table.insert(**{name: Slot(name, getattr(table, name)) for name in names})

    return Prepared(make)
