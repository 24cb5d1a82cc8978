"""What is shown of money: balances, statements, and the report of a check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from replyx.billing.money import rubles
from replyx.billing.wording import in_language
from replyx.clock import iso
from replyx.types import Json

#: Kinds of transfers that take money from a user: for an answer, or back to the payer.
DEBITS = ("capture", "refund")


@dataclass(frozen=True)
class BalanceView:
    """A user's money in kopecks; `pending_transactions` counts what is set aside and not yet settled."""

    balance: int
    welcome_bonus: int
    total_spent: int
    pending_transactions: int
    #: Less is left than `billing.low_balance`.
    is_low: bool
    currency: str = "RUB"

    def as_json(self) -> Json:
        """The body of `GET /api/balance`."""
        return {
            "balance": rubles(self.balance),
            "welcome_bonus": rubles(self.welcome_bonus),
            "total_spent": rubles(self.total_spent),
            "pending_transactions": self.pending_transactions,
            "currency": self.currency,
            "low_balance": self.is_low,
        }


@dataclass(frozen=True)
class TransactionView:
    """A line of a statement; `amount` in kopecks, negative for a debit."""

    id: int
    type: Literal["debit", "credit"]
    amount: int
    description: str
    service_type: str | None
    details: Json | None
    created_at: datetime

    @classmethod
    def of(cls, row: Any) -> TransactionView:
        """The view of a row of `ledger_transfers` that is a debit or a credit."""
        is_debit = row.kind in DEBITS
        return cls(
            id=row.id,
            type="debit" if is_debit else "credit",
            amount=-row.amount if is_debit else row.amount,
            description=row.description,
            service_type=row.service_type,
            details=row.details,
            created_at=row.created_at,
        )

    def as_json(self, language: str = "ru") -> Json:
        """An element of `transactions`; `service_type` and `details` only where there are any."""
        row: Json = {
            "id": self.id,
            "type": self.type,
            "amount": rubles(self.amount),
            "description": in_language(self.description, language),
        }
        if self.service_type is not None:
            row["service_type"] = self.service_type
        if self.details is not None:
            row["details"] = self.details
        return {**row, "created_at": iso(self.created_at)}


@dataclass(frozen=True)
class LedgerReport:
    """What a check of the whole ledger found. Sums in kopecks; the tuples hold ids that must not be there."""

    sum_of_entries: int
    unbalanced_transfers: tuple[int, ...]
    mismatched_users: tuple[int, ...]
    negative_users: tuple[int, ...]
    open_holds: int

    @property
    def ok(self) -> bool:
        """Whether every rule of the ledger holds; open holds are no fault."""
        faults = (self.unbalanced_transfers, self.mismatched_users, self.negative_users)
        return self.sum_of_entries == 0 and not any(faults)

    def as_json(self) -> Json:
        """For `replyx billing verify --json`."""
        return {
            "ok": self.ok,
            "sum_of_entries": rubles(self.sum_of_entries),
            "unbalanced_transfers": list(self.unbalanced_transfers),
            "mismatched_users": list(self.mismatched_users),
            "negative_users": list(self.negative_users),
            "open_holds": self.open_holds,
        }
