"""Column types that SQLite and PostgreSQL share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import peewee

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class IdField(peewee.BigAutoField):
    """A number that is never given twice, though its row be deleted: SQLite would use the highest one again.

    For rows that outlive themselves: in the ledger, in tokens, in the knowledge index.
    """

    def ddl(self, ctx: Any) -> Any:
        nodes = super().ddl(ctx)
        if self.ddl_datatype(ctx).sql == "INTEGER":
            nodes.nodes.append(peewee.SQL("AUTOINCREMENT"))
        return nodes


class MomentField(peewee.BigIntegerField):
    """An aware UTC datetime, stored as milliseconds since 1970: the same order and arithmetic on both databases."""

    def db_value(self, value: Any) -> int | None:
        return to_ms(value) if isinstance(value, datetime) else value

    def python_value(self, value: Any) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(milliseconds=int(value))


class SealedField(peewee.TextField):
    """A secret sealed by the secret box. When the master key is replaced, each of these columns is sealed anew."""


class JsonField(peewee.TextField):
    """A JSON value as text; it is read and written whole, never queried into."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def python_value(self, value: Any) -> Any:
        return None if value is None else json.loads(value)
