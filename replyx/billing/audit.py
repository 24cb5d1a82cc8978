"""The check of the whole ledger, as `replyx billing verify` and the tests run it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peewee import fn

from replyx.billing.views import LedgerReport
from replyx.storage.accounts import User
from replyx.storage.billing import Hold, LedgerEntry
from replyx.storage.database import Database


def examine(db: Database) -> LedgerReport:
    """Compare entries, cached balances and holds, all of one moment. Accounts of deleted users have no cache."""
    with _one_moment(db):
        sums = _sums()
        open_holds = _open_holds()
        users = list(User.select(User.id, User.balance, User.held).order_by(User.id))
        return LedgerReport(
            sum_of_entries=sum(sums.values()),
            unbalanced_transfers=_unbalanced(),
            mismatched_users=tuple(u.id for u in users if not _agrees(u, sums, open_holds)),
            negative_users=tuple(u.id for u in users if u.balance < 0 or u.held < 0),
            open_holds=sum(count for _, count in open_holds.values()),
        )


def _sums() -> dict[str, int]:
    rows: Any = LedgerEntry.select(LedgerEntry.account, fn.SUM(LedgerEntry.amount)).group_by(LedgerEntry.account)
    return {account: int(total) for account, total in rows.tuples()}


def _unbalanced() -> tuple[int, ...]:
    rows: Any = (
        LedgerEntry.select(LedgerEntry.transfer)
        .group_by(LedgerEntry.transfer)
        .having((fn.SUM(LedgerEntry.amount) != 0) | (fn.COUNT(LedgerEntry.id) < 2))
        .order_by(LedgerEntry.transfer)
    )
    return tuple(transfer for (transfer,) in rows.tuples())


def _open_holds() -> dict[int, tuple[int, int]]:
    """User → what is set aside, and in how many holds."""
    rows: Any = (
        Hold.select(Hold.user, fn.SUM(Hold.amount), fn.COUNT(Hold.id)).where(Hold.state == "open").group_by(Hold.user)
    )
    return {user: (int(total), int(count)) for user, total, count in rows.tuples()}


def _agrees(user: User, sums: dict[str, int], open_holds: dict[int, tuple[int, int]]) -> bool:
    held, _ = open_holds.get(user.id, (0, 0))
    return bool(user.balance == sums.get(f"user:{user.id}", 0) and user.held == sums.get(f"holds:{user.id}", 0) == held)


@contextmanager
def _one_moment(db: Database) -> Iterator[None]:
    """A snapshot: what other processes commit meanwhile is not seen half."""
    with db.transaction():
        if not db.is_sqlite:
            db.native.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield
