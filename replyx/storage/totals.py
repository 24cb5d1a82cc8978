"""What must be the same before and after an upgrade: how many rows there are of what customers wrote and paid."""

from __future__ import annotations

from typing import Any

from replyx.storage.database import Database

#: Rows that only people, customers and money make; a migration that lost one of them would be wrong.
_KEPT = (
    "users", "assistants", "documents", "qa_pairs", "dialogs", "messages", "replies", "ledger_transfers",
    "ledger_entries", "holds", "payments", "ai_tokens", "telegram_updates",
)  # fmt: skip

#: Tables whose growth tells that somebody worked since.
_MARKS = ("users", "dialogs", "messages", "replies", "events", "ledger_entries", "telegram_updates", "audit_log")


def totals(db: Database) -> dict[str, int]:
    """Table → rows, and the sum of the ledger's entries; of those tables that the schema has. With a connection."""
    there = set(db.native.get_tables())
    found = {name: _number(db, f'SELECT count(*) FROM "{name}"') for name in _KEPT if name in there}  # noqa: S608
    if "ledger_entries" in there:
        found["sum of ledger_entries"] = _number(db, 'SELECT coalesce(sum("amount"), 0) FROM "ledger_entries"')
    return found


def marks(db: Database) -> dict[str, int]:
    """Table → its highest id, where there is such a table; the same as long as nobody has worked. With a connection."""
    there = set(db.native.get_tables())
    return {name: _number(db, f'SELECT coalesce(max("id"), 0) FROM "{name}"') for name in _MARKS if name in there}  # noqa: S608


def size(db: Database) -> int:
    """Bytes of the database. With a connection."""
    if db.is_sqlite:
        pages = _number(db, "PRAGMA page_count")
        return pages * _number(db, "PRAGMA page_size")
    return _number(db, "SELECT pg_database_size(current_database())")


def _number(db: Database, statement: str) -> int:
    row: Any = db.native.execute_sql(statement).fetchone()
    return int(row[0])
