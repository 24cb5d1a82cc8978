"""Checks of the database: reach, durability, schema, integrity, ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replyx.cli.findings import Finding, fault, good, refused, warning
from replyx.errors import ReplyXError

if TYPE_CHECKING:
    from replyx.config.settings import Config
    from replyx.storage.database import Database


def database_findings(config: Config, *, thorough: bool, outdated_is_fault: bool = True) -> list[Finding]:
    """What is wrong with the database. `thorough` also reads all of it and checks the ledger, where the schema fits.

    Without `outdated_is_fault` a schema that waits for migrations is only told of.
    """
    from replyx.app import open_database

    try:
        database = open_database(config)
    except ReplyXError as error:
        return [refused("database", error)]
    try:
        return _examine(database, config, thorough, outdated_is_fault)
    finally:
        database.close()


def _examine(database: Database, config: Config, thorough: bool, outdated_is_fault: bool) -> list[Finding]:
    from replyx.storage.schema import schema_status

    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    try:
        status = schema_status(database)
    except ReplyXError as error:
        return [refused("database", error)]
    found = [good("database", f"{kind} отвечает", f"{kind} answers"), _durability(database)]
    if status.unknown:
        newest = status.unknown[-1]
        mend = "pip install --upgrade replyx"
        return [*found, fault("schema", f"новее программы: {newest}", f"newer than the program: {newest}", mend)]
    if status.pending:
        count = len(status.pending)
        told = fault if outdated_is_fault else warning
        found.append(told("schema", f"миграций ждёт: {count}", f"migrations pending: {count}", "replyx upgrade"))
        return [*found, _integrity(database)] if thorough else found
    found.append(good("schema", f"миграций: {len(status.applied)}", f"migrations: {len(status.applied)}"))
    return [*found, _integrity(database), _ledger(database, config)] if thorough else found


def _durability(database: Database) -> Finding:
    from replyx.storage.schema import require_durability

    try:
        require_durability(database)
    except ReplyXError as error:
        return refused("durability", error)
    return good("durability", "подтверждённое не пропадёт", "what is confirmed stays")


def _integrity(database: Database) -> Finding:
    from replyx.storage.integrity import integrity_faults

    faults = integrity_faults(database)
    if faults:
        more = f" (+{len(faults) - 1})" if len(faults) > 1 else ""
        return fault("integrity", f"{faults[0]}{more}", f"{faults[0]}{more}")
    return good("integrity", "структуры целы", "structures are whole")


def _ledger(database: Database, config: Config) -> Finding:
    from replyx.billing.ledger import Ledger
    from replyx.clock import SystemClock

    report = Ledger(database, SystemClock(), config).verify()
    if not report.ok:
        return fault("ledger", "книга не сходится", "the ledger is not sound", "replyx billing verify")
    return good("ledger", "книга сходится", "the ledger is sound")
