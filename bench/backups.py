"""A backup of 100,000 messages while customers talk, and its restore: seconds, and whether every sum is the same."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.table import Row
from replyx.app import open_app, open_database
from replyx.backup.making import make_backup
from replyx.backup.restoring import Restore
from replyx.billing.audit import examine
from replyx.config.loading import load_config
from replyx.config.settings import Config
from replyx.storage.database import Database
from replyx.storage.portable import load_rows, loading
from replyx.storage.schema import migrate
from replyx.storage.totals import totals
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.support.desk import MODEL, Desk, open_desk
from tests.support.postgres import PostgresServer

#: Questions of the dialog that is multiplied, each with its answer and its price.
_QUESTIONS = 25

#: Ids of a copy are this far behind those of the one before.
_STRIDE = 1000

#: What belongs to a dialog, referred-to tables first.
_TABLES = ("dialogs", "replies", "messages", "events", "holds", "ledger_transfers", "ledger_entries")

#: Columns that are shifted with the ids, and those that must differ in each copy.
_REFERENCES = ("id", "dialog_id", "reply_id", "hold_id", "transfer_id")
_KEYS = ("key", "dialog_key")

#: What the issue asks of both together.
_GOAL_SECONDS = 60.0


def run(*, quick: bool) -> list[Row]:
    """Both databases, one after the other."""
    copies = 200 if quick else 2000
    rows: list[Row] = []
    server = PostgresServer()
    try:
        for kind in ("SQLite", "PostgreSQL"):
            with tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder:
                rows += _measure(kind, Path(folder), server, copies)
    finally:
        server.stop()
    return rows


def _measure(kind: str, folder: Path, server: PostgresServer, copies: int) -> list[Row]:
    here, there = (_config(folder / name, server if kind == "PostgreSQL" else None) for name in ("here", "there"))
    path = folder / "one.backup"
    with FakeLLM(Scenario(text="Ответ на вопрос, в двух предложениях. Вот второе."), models=[MODEL]) as llm:
        with closing(open_database(here)) as db:
            migrate(db)
        with closing(open_app(here)) as app:
            desk = open_desk(app, llm, balance=100_000_000)
            _fill(desk, copies)
            with _customers(desk) as answered:
                began = time.monotonic()
                made = make_backup(app.db, here, path, now=datetime.now(UTC), passphrase=None)
                backup = time.monotonic() - began
            told = f"{made.rows:,} rows, {made.bytes / (1 << 20):.0f} MiB, {len(answered)} answers meanwhile"
    began = time.monotonic()
    Restore(path, there).run()
    restore = time.monotonic() - began
    with closing(open_database(there)) as db:
        sound = examine(db).ok
        with db.connection():
            found = totals(db)
    is_equal = sound and found["sum of ledger_entries"] == 0 and found["messages"] >= 2 * _QUESTIONS * copies
    size = f"{found['messages']:,} messages"
    return [
        Row(f"{kind}: backup of {size} under load ({told})", backup, "s"),
        Row(f"{kind}: restore", restore, "s"),
        Row(
            f"{kind}: both, sums equal: {'yes' if is_equal else 'NO'}", backup + restore, "s",
            goal=f"≤ {_GOAL_SECONDS:.0f} s", is_met=is_equal and backup + restore <= _GOAL_SECONDS,
        ),
    ]  # fmt: skip


def _config(folder: Path, server: PostgresServer | None) -> Config:
    folder.mkdir()
    (folder / "replyx.toml").touch()
    url = {"REPLYX_DATABASE__URL": server.create()} if server is not None else {}
    return load_config(folder / "replyx.toml", {"REPLYX_DATA_DIR": str(folder), **url})


def _fill(desk: Desk, copies: int) -> None:
    """One dialog is talked as customers talk, with paid answers; the others are its copies."""
    db = desk.app.db
    with db.connection():
        paid_before = _value(db, "SELECT coalesce(max(id), 0) FROM ledger_transfers")
    dialog = desk.open_dialog()
    for number in range(_QUESTIONS):
        desk.ask(dialog, f"Сколько стоит доставка в город номер {number}, и когда она будет?")
    with db.transaction(), loading(db):
        for table in _TABLES:
            columns = [column.name for column in db.native.get_columns(table)]
            mine = f"transfer_id > {paid_before}" if table == "ledger_entries" else f"id > {paid_before}"
            where = mine if table.startswith("ledger") else "id >= 1"
            template = [list(row) for row in db.native.execute_sql(f'SELECT * FROM "{table}" WHERE {where}').fetchall()]
            load_rows(db, table, columns, _copied(columns, template, copies))
        own = f"(SELECT sum(amount) FROM ledger_entries WHERE account = 'user:{desk.user.id}')"
        db.native.execute_sql(f"UPDATE users SET balance = {own} WHERE id = {desk.user.id}")


def _copied(columns: list[str], template: list[list[Any]], copies: int) -> Iterator[list[Any]]:
    for number in range(1, copies):
        for row, values in enumerate(template):
            yield [_shifted(name, value, number, row) for name, value in zip(columns, values, strict=True)]


def _shifted(name: str, value: Any, number: int, row: int) -> Any:
    if value is None:
        return None
    if name in _REFERENCES:
        return value + number * _STRIDE
    if name in _KEYS:
        # Cut, since the column of the dialogs is as short as their keys.
        return f"{str(value)[:20]}~{row}~{number}"
    return value


@contextmanager
def _customers(desk: Desk) -> Iterator[list[int]]:
    """Four customers who ask and are answered for the length of the block."""
    stop, answered = threading.Event(), list[int]()

    def talk() -> None:
        dialog = desk.open_dialog()
        while not stop.is_set():
            desk.ask(dialog, "А сколько это стоит?")
            answered.append(dialog)
            stop.wait(0.02)

    talkers = [threading.Thread(target=talk) for _ in range(4)]
    for talker in talkers:
        talker.start()
    try:
        yield answered
    finally:
        stop.set()
        for talker in talkers:
            talker.join()


def _value(db: Database, statement: str) -> int:
    return int(db.native.execute_sql(statement).fetchone()[0])
