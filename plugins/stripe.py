"""Stripe: payments through Checkout Sessions, with signed webhooks.

The webhook's signature is checked, and still it is only a hint: what is credited is what the session says when it is
fetched, so that webhooks that come twice, late or in any order change nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replyx.clock import Clock
from replyx.config.settings import setting
from replyx.errors import BadRequest, ConfigError, InsufficientPermissions, PaymentFailed, PaymentProviderDown
from replyx.plugins.hooks import Plugin
from replyx.plugins.payments import (
    CURRENCY,
    CallbackEvent,
    CreatedPayment,
    PaymentOrder,
    PaymentState,
    PaymentStatus,
)
from replyx.plugins.remote_api import RemoteApi, number_of_ours
from replyx.types import Json

#: Seconds by which a webhook's signature may differ from our clock.
TOLERANCE = 300

_ID = re.compile(r"[0-9A-Za-z_]{1,100}")


@dataclass(frozen=True)
class Settings:
    secret_key: str = setting("", "The account's secret key (`sk_…`); empty: Stripe is not offered.", secret=True)
    webhook_secret: str = setting("", "The signing secret of the webhook's endpoint (`whsec_…`).", secret=True)
    base_url: str = setting("https://api.stripe.com", "Where the API is.")


class StripeProvider:
    name = "stripe"
    methods: tuple[str, ...] = ("card",)
    by_hand = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock, self._secret = clock, settings.webhook_secret.encode()
        self._api = RemoteApi(self.name, settings.base_url, (settings.secret_key, ""))

    def create(self, order: PaymentOrder) -> CreatedPayment:
        ours, back = str(order.payment_id), order.return_url or ""
        form = {
            "mode": "payment",
            "success_url": back,
            "cancel_url": back,
            "client_reference_id": ours,
            "customer_email": order.email,
            "metadata[payment_id]": ours,
            "payment_intent_data[metadata][payment_id]": ours,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": CURRENCY.lower(),
            "line_items[0][price_data][unit_amount]": str(order.amount),
            "line_items[0][price_data][product_data][name]": order.description,
        }
        headers = {"Idempotency-Key": order.idempotency_key}
        made = self._api.request("POST", "/v1/checkout/sessions", form=form, headers=headers)
        url = made.get("url")
        return CreatedPayment(_known_id(made.get("id")), url if isinstance(url, str) else None)

    def parse_callback(self, headers: Mapping[str, str], body: bytes, peer_ip: str) -> CallbackEvent | None:
        self._check_signature(headers.get("stripe-signature", ""), body)
        try:
            sent = json.loads(body)
            kind, found = sent["type"], sent["data"]["object"]
            if kind.startswith("checkout.session."):
                return CallbackEvent(external_id=_known_id(found["id"]))
            if kind == "charge.refunded":
                ours = number_of_ours(found["metadata"].get("payment_id"))
                return CallbackEvent(payment_id=ours) if ours is not None else None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadRequest from error
        return None

    def fetch(self, external_id: str) -> PaymentState:
        found = self._session(external_id)
        try:
            amount, currency = int(found["amount_total"]), str(found["currency"]).upper()
            charge = (found.get("payment_intent") or {}).get("latest_charge") or {}
            refunded = int(charge.get("amount_refunded", 0))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PaymentProviderDown from error
        ours = number_of_ours(found.get("client_reference_id"))
        return PaymentState(_known_id(found.get("id")), _status(found), amount, currency, ours, refunded)

    def refund(self, external_id: str, amount: int, idempotency_key: str) -> None:
        intent = self._session(external_id).get("payment_intent")
        if not isinstance(intent, dict):
            raise PaymentFailed
        form = {"payment_intent": _known_id(intent.get("id")), "amount": str(amount)}
        self._api.request("POST", "/v1/refunds", form=form, headers={"Idempotency-Key": idempotency_key})

    def _session(self, external_id: str) -> Json:
        path = f"/v1/checkout/sessions/{_known_id(external_id)}?expand[]=payment_intent.latest_charge"
        return self._api.request("GET", path)

    def _check_signature(self, header: str, body: bytes) -> None:
        """Raises InsufficientPermissions where no signature in the header is ours and fresh."""
        parts = [part.strip().partition("=") for part in header.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        signatures = [value for name, _, value in parts if name == "v1"]
        if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0], re.ASCII):
            raise InsufficientPermissions
        expected = hmac.new(self._secret, times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
        is_ours = any(hmac.compare_digest(expected.encode(), given.encode()) for given in signatures)
        if not is_ours or abs(self._clock.now().timestamp() - int(times[0])) > TOLERANCE:
            raise InsufficientPermissions


class Stripe(Plugin):
    """Offers Stripe where an account is set up."""

    settings_type = Settings

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        if bool(settings.secret_key) != bool(settings.webhook_secret):
            raise ConfigError(
                "Stripe: нужны и plugin.stripe.secret_key, и plugin.stripe.webhook_secret.",
                "Stripe: both plugin.stripe.secret_key and plugin.stripe.webhook_secret are needed.",
            )
        self._providers = [StripeProvider(settings, clock)] if settings.secret_key else []

    def payment_providers(self) -> Sequence[StripeProvider]:
        return self._providers


def _known_id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise PaymentProviderDown
    return value


def _status(session: Json) -> PaymentStatus:
    if session.get("payment_status") == "paid":
        return PaymentStatus.SUCCEEDED
    return PaymentStatus.CANCELED if session.get("status") == "expired" else PaymentStatus.PENDING
