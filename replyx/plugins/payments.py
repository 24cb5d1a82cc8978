"""What a payment plugin and the core say to each other. Amounts are whole kopecks, the currency is RUB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

#: The currency of all balances.
CURRENCY = "RUB"


class PaymentStatus(StrEnum):
    """How a payment stands with its provider."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True)
class PaymentOrder:
    """A payment to be made: `amount` in kopecks; the same `idempotency_key` again is the same payment."""

    payment_id: int
    amount: int
    method: str
    return_url: str | None
    idempotency_key: str
    description: str
    #: Where the provider may send a receipt.
    email: str


@dataclass(frozen=True)
class CreatedPayment:
    """What a provider made of an order: its own id, where the payer goes on, or what the payer is told to do."""

    external_id: str
    confirmation_url: str | None = None
    instructions: str = ""


@dataclass(frozen=True)
class CallbackEvent:
    """Which payment a genuine callback is about: the provider's id of it, or ours as it was sent with the order."""

    external_id: str | None = None
    payment_id: int | None = None


@dataclass(frozen=True)
class PaymentState:
    """A payment as its provider has it at this moment. `refunded` is what was given back so far, in kopecks."""

    external_id: str
    status: PaymentStatus
    amount: int
    currency: str
    #: Our id of the payment, as the provider kept it.
    payment_id: int | None
    refunded: int = 0


class PaymentProvider(Protocol):
    """A way to pay. Called in threads; no transaction is open, so it may wait for its network."""

    #: Stands in the callback's URL, `POST /api/payments/NAME/callback`, and in the payments' rows.
    name: str
    #: Words of `payment_method` that it serves, beside its own name.
    methods: tuple[str, ...]
    #: True where an administrator confirms that the money came; then `parse_callback` and `fetch` are never called.
    by_hand: bool

    def create(self, order: PaymentOrder) -> CreatedPayment:
        """Make the payment at the provider.

        Raises:
            PaymentFailed: the provider refused it. PaymentProviderDown: it could not be asked, or did not answer.
        """

    def parse_callback(self, headers: Mapping[str, str], body: bytes, peer_ip: str) -> CallbackEvent | None:
        """Which payment a callback is about; None where it is about nothing that matters here.

        The callback is a hint: what happened is then asked of `fetch`. Names of headers are in lower case.

        Raises:
            InsufficientPermissions: it is not the provider's. BadRequest: it cannot be read.
        """

    def fetch(self, external_id: str) -> PaymentState:
        """The payment as the provider has it now.

        Raises:
            PaymentProviderDown: it could not be asked. PaymentFailed: it knows no such payment.
        """

    def refund(self, external_id: str, amount: int, idempotency_key: str) -> None:
        """Give `amount` kopecks back to the payer. Raises PaymentFailed, PaymentProviderDown."""
