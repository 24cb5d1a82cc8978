"""Giving payments back: money leaves the balance first, so that what is given back cannot be spent meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from replyx.billing.ledger import Ledger
from replyx.billing.wording import REFUND
from replyx.clock import Clock
from replyx.errors import Conflict, InsufficientBalance, NotFound
from replyx.events.audit import REFUSED, Audit
from replyx.plugins.payments import PaymentProvider
from replyx.storage.billing import Payment
from replyx.storage.database import Database

logger = logging.getLogger(__name__)


class Refunds:
    """The books' side of refunds. Amounts are cumulative: how much of a payment was given back in all."""

    def __init__(self, db: Database, ledger: Ledger, clock: Clock, audit: Audit) -> None:
        self._db, self._ledger, self._clock, self._audit = db, ledger, clock, audit

    def begin(self, payment_id: int, providers: Mapping[str, PaymentProvider]) -> tuple[PaymentProvider, Payment]:
        """Set the rest of the payment aside; a refund that was begun and not ended is taken up again.

        Raises:
            NotFound, Conflict, InsufficientBalance: as `TopUps.refund`.
        """
        with self._db.transaction():
            row = self._locked(payment_id)
            provider = providers.get(row.provider)
            if provider is None:
                raise Conflict(
                    f"Плагин {row.provider} не настроен: replyx plugins list",
                    f"The plugin {row.provider} is not set up: replyx plugins list",
                )
            if row.status not in ("succeeded", "refunding"):
                raise Conflict("Возвращать нечего.", "There is nothing to give back.")
            if row.hold_id is not None:
                # What an earlier try had set aside; it may have expired.
                self._ledger.release(row.hold_id)
            hold = self._hold(row, row.amount)
            self._update(row, status="refunding", hold_id=hold)
            return provider, row

    def give_up(self, payment_id: int) -> None:
        """The provider refused: the money is the user's again."""
        with self._db.transaction():
            row = self._locked(payment_id)
            if row.status == "refunding" and row.hold_id is not None:
                self._ledger.release(row.hold_id)
                self._update(row, status="succeeded", hold_id=None)
                self._audit.record("payment.refunded", f"payment:{row.id}", outcome=REFUSED, payer=row.user_id)

    def follow(self, payment_id: int, refunded: int) -> None:
        """Take off the balance what the provider says was given back in all, as far as it was not taken yet.

        What was spent already cannot be taken: it is logged, and done by the next callback or refund.
        """
        try:
            self.settle(payment_id, refunded)
        except InsufficientBalance:
            logger.error("a refunded payment was spent already", extra={"payment_id": payment_id})

    def settle(self, payment_id: int, refunded: int) -> None:
        """Take off the balance what is missing of `refunded` kopecks. Raises InsufficientBalance."""
        with self._db.transaction():
            row = self._locked(payment_id)
            if not row.refunded < refunded <= row.amount:
                return
            if row.hold_id is not None:
                self._ledger.release(row.hold_id)
            hold = self._hold(row, refunded)
            self._ledger.refund(hold, key=f"refund:{row.id}:{refunded}", description=REFUND)
            status = "refunded" if refunded == row.amount else "succeeded"
            given = refunded - row.refunded
            self._update(row, status=status, refunded=refunded, hold_id=None)
            self._audit.record("payment.refunded", f"payment:{row.id}", payer=row.user_id, kopecks=given)

    def _hold(self, row: Payment, upto: int) -> int:
        return self._ledger.hold(row.user_id, upto - row.refunded, f"refund:{row.id}:{row.refunded}:{upto}")

    def _locked(self, payment_id: int) -> Payment:
        row: Payment | None = self._db.locked(Payment.select().where(Payment.id == payment_id)).first()
        if row is None:
            raise NotFound("Платёж не найден", "No such payment")
        return row

    def _update(self, row: Payment, **changes: object) -> None:
        Payment.update(updated_at=self._clock.now(), **changes).where(Payment.id == row.id).execute()
