"""YooKassa: payments over its REST API v3.

Its callbacks carry no signature. So they count only from its own networks, and only as a hint: what is credited is
what `GET /payments/ID` answers.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from replyx.clock import Clock
from replyx.config.settings import setting
from replyx.errors import BadRequest, ConfigError, InsufficientPermissions, PaymentProviderDown
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

#: Networks that callbacks come from, as YooKassa publishes them.
NETWORKS = [
    "185.71.76.0/27", "185.71.77.0/27", "77.75.153.0/25", "77.75.156.11/32", "77.75.156.35/32", "77.75.154.128/25",
    "2a02:5180:0:1509::/64", "2a02:5180:0:1533::/64", "2a02:5180:0:2655::/64", "2a02:5180:0:2669::/64",
]  # fmt: skip

#: What a payment's id may look like: it becomes part of a URL.
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")

_STATUSES = {
    "pending": PaymentStatus.PENDING,
    "waiting_for_capture": PaymentStatus.PENDING,
    "succeeded": PaymentStatus.SUCCEEDED,
    "canceled": PaymentStatus.CANCELED,
}

#: The provider's words for ways to pay.
_METHODS = {"card": "bank_card", "bank_card": "bank_card", "sbp": "sbp", "sberbank": "sberbank"}


@dataclass(frozen=True)
class Settings:
    shop_id: str = setting("", "The shop's id; empty: YooKassa is not offered.")
    secret_key: str = setting("", "The shop's secret key.", secret=True)
    base_url: str = setting("https://api.yookassa.ru/v3", "Where the API is.")
    callback_networks: list[str] = setting(NETWORKS, "Networks that callbacks are taken from.")
    vat_code: int = setting(0, "VAT code of receipts (54-FZ), 1 to 12; 0: no receipt is sent.", low=0, high=12)


class YooKassaProvider:
    name = "yookassa"
    methods = tuple(_METHODS)
    by_hand = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api = RemoteApi(self.name, settings.base_url, (settings.shop_id, settings.secret_key))
        self._networks = _networks(settings.callback_networks)

    def create(self, order: PaymentOrder) -> CreatedPayment:
        amount = _money(order.amount)
        body: Json = {
            "amount": amount,
            "capture": True,
            "confirmation": {"type": "redirect", "return_url": order.return_url},
            "description": order.description[:128],
            "metadata": {"payment_id": str(order.payment_id)},
        }
        if order.method in _METHODS:
            body["payment_method_data"] = {"type": _METHODS[order.method]}
        if self._settings.vat_code:
            body["receipt"] = self._receipt(order, amount)
        made = self._api.request("POST", "/payments", json=body, headers={"Idempotence-Key": order.idempotency_key})
        url = made.get("confirmation", {}).get("confirmation_url")
        return CreatedPayment(_known_id(made.get("id")), url if isinstance(url, str) else None)

    def parse_callback(self, headers: Mapping[str, str], body: bytes, peer_ip: str) -> CallbackEvent | None:
        if not self._is_theirs(peer_ip):
            raise InsufficientPermissions
        try:
            sent = json.loads(body)
            event, found = sent["event"], sent["object"]
            external_id = found["payment_id"] if event.startswith("refund.") else found["id"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadRequest from error
        if not event.startswith(("payment.", "refund.")):
            return None
        if not isinstance(external_id, str) or not _ID.fullmatch(external_id):
            raise BadRequest
        return CallbackEvent(external_id=external_id)

    def fetch(self, external_id: str) -> PaymentState:
        found = self._api.request("GET", f"/payments/{_known_id(external_id)}")
        try:
            status, amount = _STATUSES[found["status"]], _kopecks(found["amount"])
            refunded = _kopecks(found["refunded_amount"]) if "refunded_amount" in found else 0
            currency = str(found["amount"]["currency"])
            # The object says itself which payment it is.
            external_id = _known_id(found["id"])
        except (KeyError, TypeError, InvalidOperation, ValueError) as error:
            raise PaymentProviderDown from error
        ours = number_of_ours((found.get("metadata") or {}).get("payment_id"))
        return PaymentState(external_id, status, amount, currency, ours, refunded)

    def refund(self, external_id: str, amount: int, idempotency_key: str) -> None:
        body = {"payment_id": _known_id(external_id), "amount": _money(amount)}
        self._api.request("POST", "/refunds", json=body, headers={"Idempotence-Key": idempotency_key})

    def _is_theirs(self, peer_ip: str) -> bool:
        try:
            address = ipaddress.ip_address(peer_ip)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)

    def _receipt(self, order: PaymentOrder, amount: Json) -> Json:
        item = {
            "description": order.description[:128],
            "quantity": "1.00",
            "amount": amount,
            "vat_code": self._settings.vat_code,
            "payment_mode": "full_prepayment",
            "payment_subject": "payment",
        }
        return {"customer": {"email": order.email}, "items": [item]}


class YooKassa(Plugin):
    """Offers YooKassa where a shop is set up."""

    settings_type = Settings

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        if bool(settings.shop_id) != bool(settings.secret_key):
            raise ConfigError(
                "YooKassa: нужны и plugin.yookassa.shop_id, и plugin.yookassa.secret_key.",
                "YooKassa: both plugin.yookassa.shop_id and plugin.yookassa.secret_key are needed.",
            )
        self._providers = [YooKassaProvider(settings)] if settings.shop_id else []

    def payment_providers(self) -> Sequence[YooKassaProvider]:
        return self._providers


def _networks(texts: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        return [ipaddress.ip_network(text) for text in texts]
    except ValueError as error:
        raise ConfigError(
            f"plugin.yookassa.callback_networks: {error}", f"plugin.yookassa.callback_networks: {error}"
        ) from error


def _known_id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise PaymentProviderDown
    return value


def _money(kopecks: int) -> Json:
    return {"value": f"{kopecks // 100}.{kopecks % 100:02d}", "currency": CURRENCY}


def _kopecks(money: Json) -> int:
    hundredths = Decimal(str(money["value"])) * 100
    if not hundredths.is_finite() or hundredths != hundredths.to_integral_value():
        raise ValueError("an amount finer than a kopeck")
    return int(hundredths)
