"""The schema: applying migrations, and refusing a database that this program does not fit."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playhouse.migrations import Runner

from replyx.errors import ConfigError, SchemaOutdated, SchemaTooNew
from replyx.storage.accounts import RevokedToken, User
from replyx.storage.ai_tokens import AiToken
from replyx.storage.api_keys import ApiKey
from replyx.storage.assistants import Assistant
from replyx.storage.audit import AuditRow
from replyx.storage.billing import Hold, LedgerEntry, LedgerTransfer, Payment
from replyx.storage.channels import ChannelLink
from replyx.storage.database import Database, Table
from replyx.storage.deliveries import Delivery, TelegramDraft
from replyx.storage.dialogs import Dialog, Event, Message, Reply
from replyx.storage.idempotency import IdempotencyKey
from replyx.storage.knowledge import Chunk, Document, QaPair
from replyx.storage.leases import Lease
from replyx.storage.letters import Letter
from replyx.storage.processes import ProcessBeat
from replyx.storage.row_counts import RowCount
from replyx.storage.sites import Site, SitePage
from replyx.storage.telegram import Attachment, TelegramBot, TelegramUpdate
from replyx.storage.telegram_desk import TelegramLinkCode, TelegramOperator, TelegramTopic

logger = logging.getLogger(__name__)

#: Every table, referred-to ones first.
ALL_TABLES: tuple[type[Table], ...] = (
    User, RevokedToken, Letter, LedgerTransfer, LedgerEntry, Hold, Payment, AiToken, Assistant,
    Document, QaPair, Chunk, Site, SitePage, Dialog, Reply, Message, Event, ProcessBeat, AuditRow, IdempotencyKey,
    TelegramUpdate, TelegramBot, Attachment, ApiKey,
    Delivery, TelegramDraft, TelegramTopic, TelegramOperator, TelegramLinkCode, ChannelLink, RowCount, Lease,
)  # fmt: skip

MIGRATIONS = Path(__file__).parent / "migrations"

#: The table in which migrations note what was applied.
HISTORY = "schema_migration"

#: The key of PostgreSQL's advisory lock under which one process migrates while others wait.
_LOCK_KEY = 7_305_804_402_191


@dataclass(frozen=True)
class SchemaStatus:
    """Names of migrations: applied, still to apply, and applied by a newer program (`unknown`)."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]


def schema_status(db: Database) -> SchemaStatus:
    """What has been applied to the database and what has not."""
    with db.connection():
        rows = _runner(db).status()
    return SchemaStatus(
        applied=tuple(r.name for r in rows if r.applied and r.path),
        pending=tuple(r.name for r in rows if not r.applied),
        unknown=tuple(r.name for r in rows if not r.path),
    )


def migrate(db: Database) -> list[str]:
    """Apply what is pending, one process at a time; each migration whole or not at all. Returns the applied names.

    Raises:
        SchemaTooNew: the database was migrated by a newer ReplyX.
    """
    with db.connection(), _alone(db):
        status = schema_status(db)
        _refuse_newer(status)
        applied: list[str] = _runner(db).up()
        for name in applied:
            logger.info("migration applied", extra={"migration": name})
        return applied


def migrate_at_once(db: Database, check: Callable[[], None]) -> list[str]:
    """Apply all that is pending as one step that `check` may refuse by raising; then nothing has changed.

    Raises:
        SchemaTooNew: the database was migrated by a newer ReplyX. Whatever `check` raises.
    """
    with db.connection(), _alone(db):
        _refuse_newer(schema_status(db))
        runner = _runner(db)
        with runner.migrator.migration_context():
            applied: list[str] = runner.up()
            check()
        return applied


def migrate_to(db: Database, name: str) -> None:
    """Apply what is pending up to migration `name`, as the ReplyX of its time would have; for rows of that time."""
    with db.connection():
        _runner(db).up(target=name)


def drop_everything(db: Database, also: Iterable[str] = ()) -> None:
    """Remove every table of ReplyX from PostgreSQL, with the functions of their triggers; inside a transaction.

    `also` names tables of earlier schemas.
    """
    own = {*(table._meta.table_name for table in ALL_TABLES), HISTORY, *also}  # noqa: SLF001 - no other way
    tables = [name for name in db.native.get_tables() if name in own]
    functions = db.native.execute_sql(
        "SELECT DISTINCT p.oid::regprocedure::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
        " JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relname = ANY(%s)",
        (tables,),
    ).fetchall()
    for name in tables:
        db.native.execute_sql(f'DROP TABLE "{name}" CASCADE')
    for (function,) in functions:
        db.native.execute_sql(f"DROP FUNCTION {function}")


def require_schema(db: Database) -> None:
    """Refuse to start on a schema that is not this program's.

    Raises:
        SchemaTooNew: it is newer. SchemaOutdated: migrations are pending.
    """
    status = schema_status(db)
    _refuse_newer(status)
    if status.pending:
        count = len(status.pending)
        raise SchemaOutdated(
            f"База не обновлена: миграций ждёт {count}. Выполните: replyx db migrate",
            f"The database lacks {count} migrations. Run: replyx db migrate",
        )


def require_durability(db: Database) -> None:
    """Refuse a database that may forget what it has confirmed.

    Raises:
        ConfigError: it names the setting of the server and what to set it to.
    """
    with db.connection():
        for name, wanted in _durability(db):
            found = db.native.execute_sql(f"PRAGMA {name}" if db.is_sqlite else f"SHOW {name}").fetchone()[0]
            if str(found) not in wanted:
                raise ConfigError(
                    f"База данных: {name} = {found}, нужно {wanted[0]}: иначе подтверждённое может пропасть.",
                    f"Database: {name} = {found}, must be {wanted[0]}: else what was confirmed may be lost.",
                )


def _durability(db: Database) -> list[tuple[str, tuple[str, ...]]]:
    if db.is_sqlite:
        return [("journal_mode", ("wal",)), ("synchronous", ("2", "3")), ("foreign_keys", ("1",))]
    return [("fsync", ("on",)), ("synchronous_commit", ("on", "remote_apply", "local")), ("full_page_writes", ("on",))]


def _runner(db: Database) -> Any:
    return Runner(db.native, directory=str(MIGRATIONS))


def _refuse_newer(status: SchemaStatus) -> None:
    if status.unknown:
        raise SchemaTooNew(
            f"Схема базы новее этой программы ({status.unknown[-1]}). Обновите: pip install --upgrade replyx",
            f"The database schema is newer than this program ({status.unknown[-1]}). Run: pip install --upgrade replyx",
        )


@contextmanager
def _alone(db: Database) -> Iterator[None]:
    if db.is_sqlite:
        # SQLite's own lock would end with each migration, and the plan was made before the first. The lock is a file
        # of its own, because closing the database's would drop the locks that SQLite holds on it.
        with Path(f"{db.native.database}.migrating").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    # A migration, and waiting for another process's, may take longer than a request ever should.
    limits = ("lock_timeout", "statement_timeout")
    for name in limits:
        db.native.execute_sql(f"SET {name} = 0")
    db.native.execute_sql("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
    try:
        yield
    finally:
        db.native.execute_sql("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))
        for name in limits:
            db.native.execute_sql(f"RESET {name}")
