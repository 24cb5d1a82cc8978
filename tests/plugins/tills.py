"""Both providers behind one face, so that every rule of money is tried on each; and a tenant who pays."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from replyx.app import App
from replyx.billing.payment_views import PaymentView
from replyx.storage.billing import Payment
from replyx.testing.payment_server import Answer, PaymentServer
from replyx.testing.payments import FakeStripe, FakeYooKassa

#: Kopecks that the tenant begins with.
OPENING = 1_00

#: Where payers come back to.
BACK = "https://shop.example/paid"


class Till(Protocol):
    """A provider as a test uses it."""

    name: str

    @property
    def server(self) -> PaymentServer: ...

    def headers(self, body: bytes) -> dict[str, str]:
        """What makes a callback with this body genuine."""

    def pay(self, external_id: str) -> None: ...
    def cancel(self, external_id: str) -> None: ...
    def callback(self, external_id: str, kind: str = "paid") -> tuple[dict[str, str], bytes]:
        """Headers and body of a genuine callback: `paid`, `canceled` or `refunded`."""

    def settings(self) -> dict[str, str]: ...
    def misstate(self, external_id: str, amount: int, currency: str, payment_id: str) -> None:
        """Let the provider say something else of a payment than what was ordered."""


class YooKassaTill:
    name = "yookassa"

    def __init__(self, server: FakeYooKassa) -> None:
        self.server = server

    def pay(self, external_id: str) -> None:
        self.server.pay(external_id)

    def cancel(self, external_id: str) -> None:
        self.server.cancel(external_id)

    def callback(self, external_id: str, kind: str = "paid") -> tuple[dict[str, str], bytes]:
        event = {"paid": "payment.succeeded", "canceled": "payment.canceled", "refunded": "refund.succeeded"}[kind]
        return {}, self.server.notification(external_id, event)

    def headers(self, body: bytes) -> dict[str, str]:
        return {}

    def settings(self) -> dict[str, str]:
        return {
            "REPLYX_PLUGIN_YOOKASSA__SHOP_ID": self.server.shop_id,
            "REPLYX_PLUGIN_YOOKASSA__SECRET_KEY": self.server.secret_key,
            "REPLYX_PLUGIN_YOOKASSA__BASE_URL": self.server.base_url,
            "REPLYX_PLUGIN_YOOKASSA__CALLBACK_NETWORKS": "127.0.0.0/8",
        }

    def misstate(self, external_id: str, amount: int, currency: str, payment_id: str) -> None:
        self.server.payments[external_id] |= {
            "amount": {"value": f"{amount / 100:.2f}", "currency": currency},
            "metadata": {"payment_id": payment_id},
        }


class StripeTill:
    name = "stripe"

    def __init__(self, server: FakeStripe) -> None:
        self.server = server

    def pay(self, external_id: str) -> None:
        self.server.pay(external_id)

    def cancel(self, external_id: str) -> None:
        self.server.expire(external_id)

    def callback(self, external_id: str, kind: str = "paid") -> tuple[dict[str, str], bytes]:
        event = {
            "paid": "checkout.session.completed",
            "canceled": "checkout.session.expired",
            "refunded": "charge.refunded",
        }[kind]
        body = self.server.event(external_id, event)
        return self.headers(body), body

    def headers(self, body: bytes) -> dict[str, str]:
        return {"stripe-signature": self.server.signature(body, time.time())}

    def settings(self) -> dict[str, str]:
        return {
            "REPLYX_PLUGIN_STRIPE__SECRET_KEY": self.server.secret_key,
            "REPLYX_PLUGIN_STRIPE__WEBHOOK_SECRET": self.server.webhook_secret,
            "REPLYX_PLUGIN_STRIPE__BASE_URL": self.server.url,
        }

    def misstate(self, external_id: str, amount: int, currency: str, payment_id: str) -> None:
        self.server.sessions[external_id] |= {
            "amount_total": amount,
            "currency": currency.lower(),
            "client_reference_id": payment_id,
        }


@dataclass
class Shop:
    """An app whose tenant pays at a till. Money in kopecks."""

    app: App
    till: Till
    user_id: int

    def order(self, roubles: float = 1000.0) -> tuple[PaymentView, str]:
        """A pending payment, and the provider's id of it."""
        made = self.app.top_ups.start(self.user_id, roubles, method=self.till.name, return_url=BACK)
        return made, self.external_id(made.id)

    def external_id(self, payment_id: int) -> str:
        with self.app.db.connection():
            found = Payment.get_by_id(payment_id).external_id
        assert found is not None
        return str(found)

    def call(self, external_id: str, kind: str = "paid", peer: str = "127.0.0.1") -> None:
        """The provider calls."""
        headers, body = self.till.callback(external_id, kind)
        self.app.top_ups.callback(self.till.name, headers, body, peer)

    def status(self, payment_id: int) -> str:
        return self.app.top_ups.get(payment_id).status

    @property
    def balance(self) -> int:
        """Kopecks; fails where the ledger is not sound."""
        assert self.app.ledger.verify().ok
        return self.app.ledger.balance(self.user_id).balance


def down() -> Answer:
    return 503, {}
