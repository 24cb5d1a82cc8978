"""Statements whose SQL is made once: peewee builds a query's text anew at every run, which costs more than running it.

For the few statements that every message goes through. The query is written as any other, with a `Slot` where a value
goes; `bind` gives it values and answers a query that runs like the one it was made from.
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


class Prepared(Generic[Q]):
    """A statement with slots; its text is made at the first run, once for each kind of database."""

    def __init__(self, make: Callable[[], Q]) -> None:
        self._make = make
        self._made: dict[type, tuple[Q, str, list[Any]]] = {}

    def bind(self, **values: Any) -> Q:
        """The statement with `values` in its slots, ready to be executed or iterated over, once."""
        kind = type(proxy.obj)
        if kind not in self._made:
            query = self._make()
            sql, params = query.sql()
            self._made[kind] = (query, sql, params)
        query, sql, params = self._made[kind]
        bound: Q = query.clone()
        # `SQL` with parameters is peewee's own way of writing a text and its values into a statement.
        text = peewee.SQL(sql, [p.of(values) if isinstance(p, _Place) else p for p in params])
        bound.__sql__ = text.__sql__  # type: ignore[method-assign]
        return bound


def insertion(table: type[peewee.Model], *names: str) -> Prepared[Any]:
    """A prepared INSERT of a row with these columns; what is not named has the column's default."""

    def make() -> Any:
        return table.insert(**{name: Slot(name, getattr(table, name)) for name in names})

    return Prepared(make)
