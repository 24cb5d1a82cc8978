"""One connection pool, one kind of transaction, effects after the commit; the driver's errors end here.

Services write `with db.transaction():`; nested blocks are savepoints. What must happen only once the data is safe
(waking a worker, telling a socket) is handed to `db.after_commit`. Reads that need no transaction run inside
`db.connection()`. A connection belongs to one thread and is given back at the end of the outermost block.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import peewee
from playhouse.db_url import parse as parse_url
from playhouse.pool import PooledPostgresqlDatabase, PooledSqliteDatabase

from replyx.errors import ConfigError, Conflict, DatabaseUnavailable, DiskFull, UniqueViolation

logger = logging.getLogger(__name__)

#: What the databases' drivers call a full disk.
_NO_ROOM = ("53100", "SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")

#: What SQLite calls a disk that did not take what had been written: what is left of it nobody knows.
_NOT_SYNCED = ("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC")

#: The database that table classes are bound to. One process has one; `Database` sets it.
proxy = peewee.DatabaseProxy()


class Table(peewee.Model):
    """Base of all tables. Tables have columns and indexes, no behaviour."""

    class Meta:
        database = proxy
        legacy_table_names = False


class Database:
    """The pool, with transactions that tell the truth on SQLite and on PostgreSQL."""

    def __init__(self, url: str, *, pool: int, timeout: float) -> None:
        """Prepare a pool for `url`; nothing is opened yet. `timeout` is in seconds.

        Raises:
            ConfigError: the URL is of no database that ReplyX knows, or its driver is not installed.
        """
        self.is_sqlite = url.startswith("sqlite:")
        self.pool_size = pool
        #: Called where SQLite's disk refused to make a commit last, in whatever thread; the roles end their process.
        #: To try again would be told "done" of pages that the kernel has already let go. PostgreSQL ends by itself.
        self.on_failed_sync: Callable[[], None] | None = None
        self._timeout = timeout
        self._local = threading.local()
        #: SQLite has one writer; queueing for it here is fair and prompt, its own busy handler is neither.
        self._writer = threading.Lock()
        self.native = _sqlite(url, pool, timeout) if self.is_sqlite else _postgres(url, pool, timeout)
        proxy.initialize(self.native)

    @property
    def connections_in_use(self) -> int:
        """Connections of the pool that threads hold at this moment."""
        return len(self.native._in_use)  # noqa: SLF001 - the pool tells it nowhere else

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Hold a connection for this thread; inside another `connection()` it is the same one.

        Raises:
            DatabaseUnavailable: no connection could be had, or it broke. DiskFull: there is no room.
        """
        if not self.native.is_closed():
            yield
            return
        try:
            self._connect()
        except (peewee.DatabaseError, peewee.InterfaceError, ValueError) as error:
            raise self._unavailable(error) from error
        try:
            with self._translated():
                yield
        finally:
            self.native.close()

    @contextmanager
    def transaction(self, *, provisional: bool = False) -> Iterator[None]:
        """All or nothing. Inside another transaction this is a savepoint: its failure undoes only itself.

        A `provisional` one is for what nobody is told of and the record does without: claims, counts. SQLite does not
        wait for the disk then. No death of a process loses it; a power cut may, with all that came after it, so that
        the record is one that was, and every lasting commit makes what was before it last. Where effects are waiting
        after all, it lasts before they run. PostgreSQL's server can fall while our processes live on: there every
        transaction lasts.

        Raises:
            UniqueViolation: a natural key is taken. On PostgreSQL and SQLite alike.
            Conflict: the database refused the change for another rule.
            DatabaseUnavailable: the connection broke; nothing was changed. DiskFull: nor was it for lack of room.
        """
        stack = self._effects()
        if stack:
            stack.append([])
            try:
                with self._translated(), self.native.savepoint():
                    yield
            except BaseException:
                stack.pop()
                raise
            stack[-2].extend(stack.pop())
            return
        unsynced = provisional and self.is_sqlite
        # Who waits for the turn has no connection meanwhile: they are few, and whoever reads would wait for one, too.
        with self._write_turn(), self.connection(), self._unsynced() if unsynced else nullcontext():
            stack.append([])
            try:
                with self._translated(), self.native.atomic("IMMEDIATE") if self.is_sqlite else self.native.atomic():
                    yield
            except BaseException:
                stack.pop()
                raise
            effects = stack.pop()
        if unsynced and effects:
            self._sync()
        _run(effects)

    def after_commit(self, effect: Callable[[], object]) -> None:
        """Run `effect` once the outermost transaction has committed; never if it, or the savepoint, failed.

        Outside a transaction it runs at once. An effect that raises is logged: the data is safe already, and every
        effect is a hint that a sweeper repeats.
        """
        stack = self._effects()
        if stack:
            stack[-1].append(effect)
        else:
            _run([effect])

    def locked(self, query: Any, *tables: type[Table]) -> Any:
        """`query` with its rows locked until the end of the transaction, of a join those of `tables` only.

        SQLite's transaction is a lock already.
        """
        return query if self.is_sqlite else query.for_update(of=list(tables) or None)

    def now_ms(self, plus_seconds: float = 0) -> peewee.SQL:
        """The database's own time as an SQL expression, in milliseconds since 1970: for leases and expiries."""
        shift = int(plus_seconds * 1000)
        if self.is_sqlite:
            return peewee.SQL(f"(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + {shift})")
        return peewee.SQL(f"(CAST(extract(epoch from clock_timestamp()) * 1000 AS bigint) + {shift})")

    def seconds_ahead(self) -> float:
        """Seconds by which the server's clock is ahead of this machine's; SQLite's is the same one.

        Raises:
            DatabaseUnavailable: no connection, or it broke.
        """
        if self.is_sqlite:
            return 0.0
        with self.connection():
            told = self.native.execute_sql("SELECT extract(epoch from clock_timestamp())::float8").fetchone()[0]
        return float(told) - time.time()

    def close(self) -> None:
        """Close every idle connection of the pool and this thread's own."""
        if not self.native.is_closed():
            self.native.close()
        self.native.close_all()

    def _connect(self) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self.native.connect()
                return
            except peewee.OperationalError as error:
                # A fresh SQLite file takes to WAL in the hands of one process; others are refused, not kept waiting.
                if not self.is_sqlite or "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.005)

    @contextmanager
    def _write_turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._writer.acquire(timeout=self._timeout):
            raise DatabaseUnavailable(
                f"База данных занята записью дольше {self._timeout:g} с.",
                f"The database has been busy writing for more than {self._timeout:g} s.",
            )
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def _unsynced(self) -> Iterator[None]:
        """Commits of this connection do not wait for the disk; the log stays whole and in order."""
        self.native.execute_sql("PRAGMA synchronous = normal")
        try:
            yield
        finally:
            try:
                self.native.execute_sql("PRAGMA synchronous = full")
            except peewee.DatabaseError:
                # As it is, nobody else may get it.
                self.native.manual_close()
                raise

    def _sync(self) -> None:
        """Wait until everything that SQLite has committed is on the disk."""
        try:
            # The log is opened anew each time: SQLite may have replaced it. Its locks are on other files.
            log = os.open(f"{self.native.database}-wal", os.O_RDONLY)
        except OSError as error:
            raise _unavailable(error) from error
        try:
            os.fdatasync(log)
        except OSError as error:
            if self.on_failed_sync is not None:
                self.on_failed_sync()
            raise _unavailable(error) from error
        finally:
            os.close(log)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except peewee.IntegrityError as error:
            if _is_taken_key(error):
                raise UniqueViolation(details={}) from error
            # The driver's own words may repeat what a customer wrote: they are neither told nor logged.
            logger.warning("the database refused a change", extra={"rule": _broken_rule(error)})
            raise Conflict(
                "База отклонила изменение: оно противоречит другим данным. Обновите данные и повторите.",
                "The database refused the change: it contradicts other data. Look again and repeat.",
            ) from error
        except (peewee.OperationalError, peewee.InterfaceError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> DatabaseUnavailable | DiskFull:
        if self.on_failed_sync is not None and _has_code(error, _NOT_SYNCED):
            self.on_failed_sync()
        return _unavailable(error)

    def _effects(self) -> list[list[Callable[[], object]]]:
        if not hasattr(self._local, "effects"):
            self._local.effects = []
        effects: list[list[Callable[[], object]]] = self._local.effects
        return effects


def _run(effects: list[Callable[[], object]]) -> None:
    for effect in effects:
        try:
            effect()
        except Exception:
            logger.exception("an effect after the commit failed; a sweeper will repeat it")


def _unavailable(error: Exception) -> DatabaseUnavailable | DiskFull:
    if _has_code(error, _NO_ROOM):
        return DiskFull()
    return DatabaseUnavailable(
        f"База данных недоступна: {_first_line(error)}", f"The database cannot be reached: {_first_line(error)}"
    )


def _has_code(error: BaseException, codes: tuple[str, ...]) -> bool:
    cause: BaseException | None = error
    # SQLite undoes the transaction by itself then; what is heard of first is that it cannot be undone.
    while cause is not None:
        if _code_of(cause) in codes:
            return True
        cause = cause.__context__
    return False


def _code_of(error: BaseException) -> str | None:
    """The driver's own code: the server's message may be in any language, and may repeat a customer's words."""
    driver = error.__context__
    code: str | None = getattr(driver, "pgcode", None) or getattr(driver, "sqlite_errorname", None)
    return code


def _is_taken_key(error: peewee.IntegrityError) -> bool:
    return _code_of(error) in (
        "23505",
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
        "SQLITE_CONSTRAINT_ROWID",
    )


def _broken_rule(error: peewee.IntegrityError) -> str:
    """The name of the rule that was broken, as far as the driver tells it."""
    driver = error.__context__
    named = getattr(getattr(driver, "diag", None), "constraint_name", None)
    return str(named or getattr(driver, "sqlite_errorname", None) or type(driver).__name__)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _sqlite(url: str, pool: int, timeout: float) -> Any:
    name = urlsplit(url).path.removeprefix("/") if not url.startswith("sqlite:////") else url.removeprefix("sqlite:///")
    if not name or name == ":memory:":
        raise ConfigError("SQLite: нужен путь к файлу: sqlite:///путь", "SQLite needs a file: sqlite:///path")
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    return PooledSqliteDatabase(
        name,
        max_connections=pool,
        timeout=timeout,
        autoconnect=False,
        check_same_thread=False,
        pragmas=[
            ("journal_mode", "wal"),
            ("synchronous", "full"),
            ("foreign_keys", 1),
            ("busy_timeout", int(timeout * 1000)),
            ("cache_size", -16384),
            ("temp_store", "memory"),
        ],
    )


def _postgres(url: str, pool: int, timeout: float) -> Any:
    if urlsplit(url).scheme not in ("postgres", "postgresql"):
        raise ConfigError(
            "database.url: допустимо sqlite:///ПУТЬ или postgresql://пользователь:пароль@хост/база.",
            "database.url: sqlite:///PATH or postgresql://user:password@host/name.",
        )
    try:
        import psycopg2  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            'Нет драйвера PostgreSQL. Выполните: pip install "replyx[postgres]"',
            'The PostgreSQL driver is missing. Run: pip install "replyx[postgres]"',
        ) from error
    from replyx.storage.postgres_line import line_factories

    options = parse_url(url, unquote_user=True, unquote_password=True)
    name = options.pop("database")
    options["connect_timeout"] = max(2, int(timeout))
    options["options"] = f"-c lock_timeout={int(timeout * 1000)} -c statement_timeout=30000 -c timezone=UTC"
    asking = {**options, "dbname": name}
    return PooledPostgresqlDatabase(
        name,
        max_connections=pool,
        timeout=timeout,
        stale_timeout=300,
        autoconnect=False,
        **options,
        **line_factories(asking, timeout),
    )
