"""Payments whose callback did not come: their providers are asked, ever more seldom, until each has an end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from replyx.billing.top_ups import FIRST_CHECK_SECONDS, TopUps
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import PaymentFailed, PaymentProviderDown
from replyx.plugins.host import Host
from replyx.storage.billing import Payment
from replyx.storage.database import Database

#: Longest pause between two questions about one payment, in seconds.
_LONGEST_PAUSE = 3600

#: How long a payment may go without its provider's own id before its creation counts as failed.
_CREATION = timedelta(hours=1)


class PaymentChecks:
    """The sweeper of payments."""

    def __init__(self, db: Database, top_ups: TopUps, clock: Clock, config: Config, plugins: Host) -> None:
        self._db, self._top_ups, self._clock, self._plugins = db, top_ups, clock, plugins
        self._patience = timedelta(days=config.billing.payment_days)

    def check_due(self, limit: int = 50) -> int:
        """Ask about payments that are due; returns of how many. A provider that is down is left alone for this time."""
        names = {name for name, provider in self._plugins.payment_providers.items() if not provider.by_hand}
        asked = 0
        for row in self._due(names, limit):
            if row.provider in names and self._take(row):
                asked += 1
                try:
                    self._check(row)
                except PaymentProviderDown:
                    names.discard(row.provider)
        return asked

    def _due(self, names: set[str], limit: int) -> list[Any]:
        with self._db.connection():
            waits = Payment.status.in_(("creating", "pending")) & (Payment.check_at <= self._db.now_ms())
            query = Payment.select().where(waits & Payment.provider.in_(sorted(names)))
            return list(query.order_by(Payment.check_at).limit(limit))

    def _take(self, row: Payment) -> bool:
        """Whether this process is to ask; the next question is put off, whatever comes of this one."""
        pause = min(_LONGEST_PAUSE, FIRST_CHECK_SECONDS * 2 ** min(row.checks, 10))
        with self._db.transaction():
            free = (Payment.id == row.id) & (Payment.checks == row.checks)
            taken = Payment.update(checks=Payment.checks + 1, check_at=self._db.now_ms(pause)).where(free)
            return bool(taken.execute())

    def _check(self, row: Payment) -> None:
        age = self._clock.now() - row.created_at
        if row.external_id is None:
            # Its maker died, or is still at it: there is nothing that the provider could be asked by.
            if age > _CREATION:
                self._top_ups.give_up(row.id, "failed")
            return
        try:
            self._top_ups.follow(self._plugins.payment_providers[row.provider], row.external_id)
        except PaymentFailed:
            self._top_ups.give_up(row.id, "failed")
            return
        if age > self._patience:
            self._top_ups.give_up(row.id, "canceled")
