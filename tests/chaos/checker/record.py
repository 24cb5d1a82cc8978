"""The database as plain SQL finds it, whichever of the two it is."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

#: What is read, table by table.
_QUERIES = {
    "users": "SELECT id, email, balance, held, owner_id FROM users",
    "assistants": "SELECT id, user_id, price, system_prompt FROM assistants",
    "dialogs": "SELECT id, user_id, assistant_id, last_seq, handoff_status, telegram_chat_id FROM dialogs ORDER BY id",
    "messages": "SELECT id, dialog_id, seq, sender, text, external_id, reply_id, engine, outcome, created_at"
    " FROM messages ORDER BY dialog_id, seq, id",
    "events": "SELECT dialog_id, seq, type, payload FROM events ORDER BY dialog_id, seq, id",
    "replies": "SELECT id, dialog_id, state, first_seq, upto_seq, fence, attempts, hold_id, last_error"
    " FROM replies ORDER BY id",
    "transfers": "SELECT id, key, kind, user_id, amount, details FROM ledger_transfers ORDER BY id",
    "deliveries": "SELECT id, message_id, part, dialog_id, state, doubts FROM deliveries ORDER BY message_id, part",
    "entries": "SELECT id, transfer_id, account, amount FROM ledger_entries ORDER BY id",
    "holds": "SELECT id, key, user_id, amount, state FROM holds ORDER BY id",
    "documents": "SELECT id, status, attempts, chunks_count FROM documents ORDER BY id",
    "chunks": "SELECT id, document_id FROM chunks ORDER BY id",
    "keys": "SELECT id, name, daily_usage, monthly_usage FROM ai_tokens ORDER BY id",
}


@dataclass
class Record:
    """Everything in the database that invariants speak of."""

    tables: dict[str, list[Row]] = field(default_factory=dict)

    def __getitem__(self, table: str) -> list[Row]:
        return self.tables[table]

    def by(self, table: str, column: str) -> dict[Any, list[Row]]:
        """Rows of a table by one of their columns."""
        found: defaultdict[Any, list[Row]] = defaultdict(list)
        for row in self.tables[table]:
            found[row[column]].append(row)
        return found


def read_record(url: str) -> Record:
    """The whole record of the database at `url`."""
    tables = {name: query(url, sql) for name, sql in _QUERIES.items()}
    for row in tables["events"]:
        row["payload"] = json.loads(row["payload"])
    for row in tables["transfers"]:
        row["details"] = json.loads(row["details"]) if row["details"] else {}
    return Record(tables)


def query(url: str, sql: str) -> list[Row]:
    """The rows of one statement."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)) as connection:
            cursor = connection.execute(sql)
            return _rows(cursor.description, cursor.fetchall())
    import psycopg2

    with closing(psycopg2.connect(url)) as postgres, postgres.cursor() as reader:
        reader.execute(sql)
        return _rows(reader.description or (), reader.fetchall())


def unsettled(url: str) -> int:
    """Whatever is owed at this moment: answers, holds, deliveries and updates of Telegram, documents to be read."""
    open_rows = (
        "replies WHERE state IN ('pending', 'working')",
        "holds WHERE state = 'open'",
        "deliveries WHERE state IN ('new', 'sending')",
        "telegram_updates WHERE state = 'new'",
        "documents WHERE status = 'processing'",
    )
    return sum(int(query(url, f"SELECT COUNT(*) AS n FROM {rows}")[0]["n"]) for rows in open_rows)


def heads(url: str) -> dict[int, int]:
    """Dialog id → its last `seq`."""
    return {row["id"]: row["last_seq"] for row in query(url, "SELECT id, last_seq FROM dialogs")}


def _rows(description: Iterable[Any], rows: Iterable[Any]) -> list[Row]:
    names = [column[0] for column in description]
    return [dict(zip(names, row, strict=True)) for row in rows]
