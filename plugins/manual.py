"""Invoices that an administrator confirms once the money has come: `replyx billing confirm ID`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from replyx.clock import Clock
from replyx.config.settings import setting
from replyx.errors import NotFound
from replyx.plugins.hooks import Plugin
from replyx.plugins.payments import CallbackEvent, CreatedPayment, PaymentOrder, PaymentState


@dataclass(frozen=True)
class Settings:
    enabled: bool = setting(True, "Whether balances may be topped up by invoice.")
    methods: list[str] = setting(["invoice", "card"], "Payment methods that end in an invoice where none else serves.")
    instructions: str = setting(
        "Счёт № {payment_id} на {amount} ₽. Оплатите его и дождитесь подтверждения администратора.",
        "What the payer is told; `{payment_id}` and `{amount}` are filled in.",
    )


class Invoices:
    """Needs no network: the payment is ours alone until somebody confirms it."""

    name = "manual"
    by_hand = True

    def __init__(self, settings: Settings) -> None:
        self._settings, self.methods = settings, tuple(settings.methods)

    def create(self, order: PaymentOrder) -> CreatedPayment:
        text = self._settings.instructions.replace("{payment_id}", str(order.payment_id))
        return CreatedPayment(
            external_id=order.idempotency_key, instructions=text.replace("{amount}", f"{order.amount / 100:.2f}")
        )

    def parse_callback(self, headers: Mapping[str, str], body: bytes, peer_ip: str) -> CallbackEvent | None:
        raise NotFound

    def fetch(self, external_id: str) -> PaymentState:
        raise NotFound

    def refund(self, external_id: str, amount: int, idempotency_key: str) -> None:
        """The administrator gives the money back as it came; the books follow."""


class Manual(Plugin):
    """The bundled way to pay that needs no provider."""

    settings_type = Settings

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._providers = [Invoices(settings)] if settings.enabled else []

    def payment_providers(self) -> Sequence[Invoices]:
        return self._providers
