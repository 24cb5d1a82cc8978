"""The ledger: append-only double entry in kopecks, and holds that are captured or released, once.

Money moves between the accounts `user:N` (may be spent), `holds:N` (set aside), `revenue`, `promo` and `provider`.
The entries of a transfer sum to 0. `users.balance` and `users.held` are the sums of the first two accounts, changed in
the same transaction by conditional updates, so that no two processes can spend the same kopeck.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Literal

from peewee import fn

from replyx.billing.audit import examine
from replyx.billing.money import MOST_KOPECKS, kopecks
from replyx.billing.views import DEBITS, BalanceView, LedgerReport, TransactionView
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import Conflict, InsufficientBalance, InvalidAmount, NotFound, UniqueViolation
from replyx.events.audit import Audit
from replyx.storage.accounts import User
from replyx.storage.billing import Hold, LedgerEntry, LedgerTransfer
from replyx.storage.database import Database
from replyx.storage.prepared import Prepared, Slot, insertion
from replyx.storage.row_counts import kept_count
from replyx.types import Json

logger = logging.getLogger(__name__)

CreditKind = Literal["credit", "top_up", "bonus"]

#: Where the money of a credit comes from.
_SOURCES: dict[str, str] = {"credit": "provider", "top_up": "provider", "bonus": "promo"}

#: Kinds of transfers that a statement shows; holds and releases only move money between a user's own accounts.
_SHOWN: dict[str | None, tuple[str, ...]] = {
    "debit": DEBITS,
    "credit": tuple(_SOURCES),
    None: (*DEBITS, *_SOURCES),
}

#: Characters of a natural key; the columns have room for the ledger's own addition to it.
_LONGEST_KEY = 160

#: Characters of a description.
_LONGEST_DESCRIPTION = 200

#: Expired holds that are looked up at once.
_BATCH = 100

_SET_ASIDE = Prepared(
    lambda: User.update(balance=User.balance - Slot("amount"), held=User.held + Slot("amount")).where(
        (User.id == Slot("user")) & (User.balance >= Slot("amount"))
    )
)
_CAPTURED = Prepared(lambda: _closing(state="captured"))
_RELEASED = Prepared(lambda: _closing(state="released", key=Hold.key.concat(Slot("suffix"))))
_MOVE_FROM_HOLDS = Prepared(
    lambda: (
        User.update(held=User.held - Slot("amount"), balance=User.balance + Slot("back"))
        .where((User.id == Slot("user")) & (User.held >= Slot("amount")))
        .returning(User.balance, User.held)
    )
)
_TRANSFER = insertion(
    LedgerTransfer,
    *("key", "kind", "user_id", "amount", "assistant_id", "service_type", "description", "details", "created_at"),
)
_ENTRY = insertion(LedgerEntry, "transfer", "account", "amount")


class Ledger:
    """All methods may be called inside the caller's transaction, and then commit or fail with it."""

    def __init__(self, db: Database, clock: Clock, config: Config) -> None:
        self._db, self._clock, self._config = db, clock, config
        self._audit = Audit(db, clock)
        expires = db.now_ms(config.billing.hold_minutes * 60)
        self._holding = Prepared(
            lambda: Hold.insert(key=Slot("key"), user=Slot("user"), amount=Slot("amount"), expires_at=expires)
        )

    def hold(self, user_id: int, amount: int, key: str) -> int:
        """Set `amount` kopecks aside for one try at one thing; answers the hold's id.

        A key is free again once its hold was released, never after it was captured.

        Raises:
            InsufficientBalance: the user has less. Conflict: the key is in use. InvalidAmount: nothing, or too much.
        """
        _check_amount(amount)
        _check_key(key)
        paid = _SET_ASIDE.bind(user=user_id, amount=amount)
        try:
            with self._db.transaction():
                if not paid.execute():
                    raise InsufficientBalance
                hold_id = int(self._holding.bind(key=key, user=user_id, amount=amount).execute())
                self._transfer(f"hold#{hold_id}", "hold", user_id, amount, _user(user_id), _held(user_id), "Hold")
                return hold_id
        except UniqueViolation as error:
            raise Conflict("По этому ключу уже есть удержание.", "There is a hold under this key.") from error

    def capture(
        self,
        hold_id: int,
        amount: int,
        *,
        service_type: str,
        description: str,
        details: Json | None,
        assistant_id: int | None = None,
    ) -> None:
        """Take `amount` kopecks of an open hold as paid and give the rest back. 0 gives all of it back.

        Where less than `billing.low_balance` is left for the first time, the log and the audit log say so.

        Raises:
            Conflict: the hold is not open any more. InvalidAmount: more than was held, or negative.
        """
        with self._db.transaction():
            settled = self._settle(hold_id, "captured")
            if settled is None:
                raise Conflict("Удержание уже закрыто.", "The hold is not open any more.")
            user_id, held = settled
            if not 0 <= amount <= held:
                raise InvalidAmount("Списание больше удержания.", "The capture is more than the hold.")
            rest = held - amount
            left = self._move_from_holds(user_id, held, back=rest)
            if amount:
                self._transfer(
                    f"capture#{hold_id}",
                    "capture",
                    user_id,
                    amount,
                    _held(user_id),
                    "revenue",
                    description,
                    service_type=service_type,
                    details=details,
                    assistant_id=assistant_id,
                )
            self._record_release(hold_id, user_id, rest)
            self._warn_of_low_balance(user_id, left, amount)

    def refund(self, hold_id: int, *, key: str, description: str) -> None:
        """Take all of an open hold out of the books again: the payer gets it back from the payment's provider.

        Raises:
            Conflict: the hold is not open any more.
        """
        with self._db.transaction():
            settled = self._settle(hold_id, "captured")
            if settled is None:
                raise Conflict("Удержание уже закрыто.", "The hold is not open any more.")
            user_id, held = settled
            self._move_from_holds(user_id, held, back=0)
            self._transfer(key, "refund", user_id, held, _held(user_id), "provider", description)

    def release(self, hold_id: int) -> bool:
        """Give back all of an open hold; False where it was settled already, or its user is gone."""
        with self._db.transaction():
            settled = self._settle(hold_id, "released")
            if settled is None:
                return False
            user_id, held = settled
            self._move_from_holds(user_id, held, back=held)
            self._record_release(hold_id, user_id, held)
            return True

    def release_expired(self) -> int:
        """Give back holds that were forgotten, by the database's clock; returns how many."""
        count = 0
        while True:
            with self._db.connection():
                due = (Hold.state == "open") & (Hold.expires_at < self._db.now_ms())
                ids = [row.id for row in Hold.select(Hold.id).where(due).order_by(Hold.expires_at).limit(_BATCH)]
            count += sum(self.release(hold_id) for hold_id in ids)
            if len(ids) < _BATCH:
                return count

    def credit(self, user_id: int, amount: int, *, kind: CreditKind, key: str, description: str) -> None:
        """Put `amount` kopecks on the balance. `key` names this one movement for ever.

        Raises:
            Conflict: the key was used: the money has come already. NotFound: no such user. InvalidAmount: nothing, or
                too much.
        """
        _check_amount(amount)
        _check_key(key)
        try:
            with self._db.transaction():
                if not User.update(balance=User.balance + amount).where(User.id == user_id).execute():
                    raise NotFound("Пользователь не найден", "No such user")
                self._transfer(key, kind, user_id, amount, _SOURCES[kind], _user(user_id), description)
                self._audit.record(f"money.{kind}", f"user:{user_id}", kopecks=amount, description=description)
        except UniqueViolation as error:
            raise Conflict("Эта операция уже проведена.", "This movement was made already.") from error

    def balance(self, user_id: int) -> BalanceView:
        """What a user has, was given and has spent.

        Raises:
            NotFound: no such user.
        """
        with self._db.connection():
            user = User.get_or_none(User.id == user_id)
            if user is None:
                raise NotFound("Пользователь не найден", "No such user")
            spent = LedgerTransfer.select(fn.COALESCE(fn.SUM(LedgerTransfer.amount), 0)).where(
                (LedgerTransfer.user_id == user_id) & (LedgerTransfer.kind == "capture")
            )
            pending = Hold.select().where((Hold.user == user_id) & (Hold.state == "open")).count()
            is_low = user.balance + user.held < kopecks(self._config.billing.low_balance)
            return BalanceView(user.balance, user.welcome_bonus, int(spent.scalar()), pending, is_low)

    def transactions(
        self, user_id: int, *, limit: int = 50, offset: int = 0, kind: Literal["debit", "credit"] | None = None
    ) -> tuple[list[TransactionView], int]:
        """A page of a user's statement, newest first, and how many lines it has."""
        with self._db.connection():
            shown = (LedgerTransfer.user_id == user_id) & LedgerTransfer.kind.in_(_SHOWN[kind])
            rows = LedgerTransfer.select().where(shown)
            page = rows.order_by(LedgerTransfer.id.desc()).limit(limit).offset(offset)
            total = kept_count("ledger_transfers", owner_id=user_id, first=_SHOWN[kind])
            return [TransactionView.of(row) for row in page], total

    def verify(self) -> LedgerReport:
        """Check the whole ledger: sums, cached balances, holds. Reads one state, changes nothing."""
        return examine(self._db)

    def _settle(self, hold_id: int, state: str) -> tuple[int, int] | None:
        """Close an open hold; its user and amount. None: it is not open. Whoever closes it alone moves its money."""
        closing = _RELEASED if state == "released" else _CAPTURED
        row = next(iter(closing.bind(hold=hold_id, suffix=f"#{hold_id}").execute()), None)
        return (int(row.user_id), int(row.amount)) if row is not None else None

    def _move_from_holds(self, user_id: int, amount: int, *, back: int) -> int:
        """Take `amount` out of the holds, `back` of it to the balance; answers what the user has then, held or not."""
        rows = list(_MOVE_FROM_HOLDS.bind(user=user_id, amount=amount, back=back).execute())
        if not rows:
            raise Conflict("Удержанной суммы нет.", "The held amount is not there.")
        return int(rows[0].balance + rows[0].held)

    def _warn_of_low_balance(self, user_id: int, left: int, amount: int) -> None:
        limit = kopecks(self._config.billing.low_balance)
        if left < limit <= left + amount:
            logger.warning("a balance is low", extra={"user_id": user_id, "kopecks": left})
            self._audit.record("money.low_balance", f"user:{user_id}", kopecks=left)

    def spent_since(self, assistant_id: int, moment: datetime) -> int:
        """Kopecks that an assistant's answers have cost since `moment`."""
        with self._db.connection():
            paid = LedgerTransfer.select(fn.COALESCE(fn.SUM(LedgerTransfer.amount), 0)).where(
                (LedgerTransfer.assistant_id == assistant_id)
                & (LedgerTransfer.created_at >= moment)
                & (LedgerTransfer.kind == "capture")
            )
            return int(paid.scalar())

    def count_open(self, key_begins: str) -> int:
        """Open holds whose key begins so."""
        with self._db.connection():
            count: int = Hold.select().where((Hold.state == "open") & Hold.key.startswith(key_begins)).count()
            return count

    def _record_release(self, hold_id: int, user_id: int, amount: int) -> None:
        if amount:
            self._transfer(f"release#{hold_id}", "release", user_id, amount, _held(user_id), _user(user_id), "Release")

    def _transfer(
        self,
        key: str,
        kind: str,
        user_id: int,
        amount: int,
        source: str,
        target: str,
        description: str,
        *,
        service_type: str | None = None,
        details: Json | None = None,
        assistant_id: int | None = None,
    ) -> None:
        """Record a movement; the only writer of entries, so that none is without its counterpart."""
        transfer = _TRANSFER.bind(
            key=key,
            kind=kind,
            user_id=user_id,
            amount=amount,
            assistant_id=assistant_id,
            service_type=service_type,
            description=description[:_LONGEST_DESCRIPTION],
            details=details,
            created_at=self._clock.now(),
        ).execute()
        for account, part in ((source, -amount), (target, amount)):
            _ENTRY.bind(transfer=transfer, account=account, amount=part).execute()


def _closing(**changes: Any) -> Any:
    """The statement that closes an open hold with `changes` and answers whose it was, and of how much."""
    is_open = (Hold.id == Slot("hold")) & (Hold.state == "open")
    return Hold.update(**changes).where(is_open).returning(Hold.user, Hold.amount)


def _user(user_id: int) -> str:
    return f"user:{user_id}"


def _held(user_id: int) -> str:
    return f"holds:{user_id}"


def _check_amount(amount: int) -> None:
    if type(amount) is not int or not 0 < amount <= MOST_KOPECKS:
        raise InvalidAmount


def _check_key(key: str) -> None:
    if not 0 < len(key) <= _LONGEST_KEY:
        raise ValueError("a ledger key has 1 to 160 characters")
