"""What is shown of a top-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from replyx.billing.money import rubles
from replyx.clock import iso
from replyx.types import Json


@dataclass(frozen=True)
class PaymentView:
    """A top-up; amounts in kopecks. `instructions` is what a payer who has nowhere to go on is told, once."""

    id: int
    provider: str
    user_id: int
    amount: int
    refunded: int
    status: str
    confirmation_url: str | None
    created_at: datetime
    instructions: str = ""

    @classmethod
    def of(cls, row: Any, instructions: str = "") -> PaymentView:
        """The view of a row of `payments`. A payment that its provider has not answered for is pending to people."""
        return cls(
            id=row.id,
            provider=row.provider,
            user_id=row.user_id,
            amount=row.amount,
            refunded=row.refunded,
            status="pending" if row.status == "creating" else row.status,
            confirmation_url=row.confirmation_url,
            created_at=row.created_at,
            instructions=instructions,
        )

    def as_json(self) -> Json:
        """The answer to a top-up; `instructions` only where there are any."""
        row: Json = {
            "payment_id": self.id,
            "status": self.status,
            "confirmation_url": self.confirmation_url,
            "provider": self.provider,
            "amount": rubles(self.amount),
            "currency": "RUB",
            "created_at": iso(self.created_at),
        }
        return {**row, "instructions": self.instructions} if self.instructions else row

    def record_json(self) -> Json:
        """The same for administrators, with whose it is and what was given back."""
        return {**self.as_json(), "user_id": self.user_id, "refunded": rubles(self.refunded)}
