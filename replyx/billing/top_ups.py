"""Top-ups: a payment is made at a provider, and the balance moves once, when the provider says that it was paid.

A callback is a hint to ask the provider: what is credited, or taken back, is what it answers then. So callbacks may
come twice, late, in any order or from the same moment on several processes.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from replyx.billing.ledger import Ledger
from replyx.billing.money import kopecks
from replyx.billing.payment_views import PaymentView
from replyx.billing.refunds import Refunds
from replyx.billing.return_urls import checked_return_url
from replyx.billing.wording import TOP_UP
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import Conflict, InvalidAmount, NotFound, PaymentFailed, PaymentProviderDown, ValidationFailed
from replyx.events.audit import Audit
from replyx.plugins.host import Host, PluginCrashed
from replyx.plugins.payments import (
    CURRENCY,
    CallbackEvent,
    CreatedPayment,
    PaymentOrder,
    PaymentProvider,
    PaymentState,
    PaymentStatus,
)
from replyx.storage.accounts import User
from replyx.storage.billing import Payment
from replyx.storage.database import Database
from replyx.storage.row_counts import kept_count

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: States in which money may still come.
_WAITING = ("creating", "pending", "canceled", "failed")

#: State as people are shown it → those of the rows.
_SHOWN = {"pending": ("creating", "pending")}

#: Seconds after which a provider is asked of a payment for the first time; until then its callback is expected.
FIRST_CHECK_SECONDS = 60


class TopUps:
    """Payments and what they do to balances."""

    def __init__(self, db: Database, ledger: Ledger, clock: Clock, config: Config, plugins: Host) -> None:
        self._db, self._ledger, self._clock, self._config, self._plugins = db, ledger, clock, config, plugins
        self._audit = Audit(db, clock)
        self._refunds = Refunds(db, ledger, clock, self._audit)

    def start(
        self,
        user_id: int,
        amount: float | str,
        *,
        method: str | None = None,
        return_url: str | None = None,
        claim_id: int | None = None,
        keep: Callable[[PaymentView], object] | None = None,
    ) -> PaymentView:
        """Make a pending payment of `amount` roubles at the provider that serves `method`; None: the first provider.

        A `claim_id` (of an `Idempotency-Key`) that has a payment takes that one up where a process left it: the
        provider is asked under the same key of its own, and answers the same payment. `keep` is called in the
        transaction that makes the payment pending; what it raises undoes that.

        Raises:
            InvalidAmount: no amount of money, or out of `billing.least_top_up` to `most_top_up`.
            ValidationFailed: nobody serves the method, or the payer may not be sent to that address.
            PaymentFailed: the provider refused. PaymentProviderDown: it does not answer. NotFound: no such user.
        """
        sum_ = self._checked(amount)
        provider = self._provider_for(method)
        back = checked_return_url(return_url, self._config)
        if back is None and not provider.by_hand:
            raise ValidationFailed.of("return_url", "Обязательное поле", "This field is required")
        row, email = self._insert(user_id, sum_, provider.name, claim_id)
        provider = self._plugins.payment_providers.get(row.provider, provider)
        order = PaymentOrder(
            payment_id=row.id,
            amount=sum_,
            method=method or "",
            return_url=back,
            idempotency_key=row.idempotency_key,
            description=f"{TOP_UP} № {row.id}",
            email=email,
        )
        try:
            made = self._ask(provider, partial(provider.create, order))
        except (PaymentFailed, PaymentProviderDown):
            self._set(row.id, ("creating",), status="failed")
            raise
        return self._created(row.id, made, keep)

    def callback(self, provider_name: str, headers: Mapping[str, str], body: bytes, peer_ip: str) -> None:
        """Take a provider's callback: find its payment, ask the provider how it stands, and do what follows, once.

        Raises:
            NotFound: no such provider. InsufficientPermissions: it is not the provider's. BadRequest: it cannot be
            read. PaymentProviderDown: the provider cannot be asked now, and is to call again.
        """
        provider = self._plugins.payment_providers.get(provider_name)
        if provider is None or provider.by_hand:
            raise NotFound
        event = self._ask(provider, partial(provider.parse_callback, headers, body, peer_ip))
        external_id = self._external_id(provider.name, event) if event is not None else None
        if external_id is None:
            return
        try:
            self.follow(provider, external_id)
        except PaymentFailed:
            logger.warning("a callback is about a payment that its provider does not know", extra=_of(provider))

    def follow(self, provider: PaymentProvider, external_id: str) -> None:
        """Ask the provider how a payment stands, and do what follows, once.

        Raises:
            PaymentProviderDown: it cannot be asked now. PaymentFailed: it knows no such payment.
        """
        state = self._ask(provider, partial(provider.fetch, external_id))
        if state.external_id != external_id:
            logger.error("a provider answered for another payment", extra=_of(provider))
            return
        self._apply(provider.name, state)

    def give_up(self, payment_id: int, status: str) -> None:
        """Wait for a payment no more: `failed` or `canceled`. Should it be paid after all, it is still credited."""
        if self._set(payment_id, ("creating", "pending"), status=status):
            logger.info("a payment is not waited for any more", extra={"payment_id": payment_id, "status": status})

    def confirm(self, payment_id: int) -> PaymentView:
        """An administrator's word that the money of an invoice has come; the same word again changes nothing.

        Raises:
            NotFound: no such payment. Conflict: its provider itself says when it is paid, or it is not pending.
        """
        with self._db.transaction():
            row = self._locked(payment_id)
            provider = self._plugins.payment_providers.get(row.provider)
            if provider is None or not provider.by_hand:
                raise Conflict(
                    "Этот платёж подтверждает сама платёжная система.", "This payment is confirmed by its provider."
                )
            if row.status != "succeeded":
                if not self._credit(row, ("pending",)):
                    raise Conflict("Этот платёж уже не ждёт оплаты.", "This payment is not pending any more.")
                self._audit.record("payment.confirmed", f"payment:{row.id}", payer=row.user_id, kopecks=row.amount)
        return self.get(payment_id)

    def refund(self, payment_id: int) -> PaymentView:
        """Give a payment back: its money leaves the balance, then the provider returns it. Again: the same refund.

        Raises:
            NotFound: no such payment. Conflict: it is not paid, or given back already. InsufficientBalance: it was
            spent. PaymentFailed, PaymentProviderDown: the provider refused, or does not answer; try again.
        """
        provider, row = self._refunds.begin(payment_id, self._plugins.payment_providers)
        rest = row.amount - row.refunded
        try:
            key = f"{row.idempotency_key}-{row.refunded}"
            self._ask(provider, partial(provider.refund, row.external_id or "", rest, key))
        except PaymentFailed:
            self._refunds.give_up(payment_id)
            raise
        self._refunds.settle(payment_id, row.amount)
        return self.get(payment_id)

    def get(self, payment_id: int) -> PaymentView:
        """Raises NotFound."""
        with self._db.connection():
            row = Payment.get_or_none(Payment.id == payment_id)
            if row is None:
                raise _no_payment()
            return PaymentView.of(row)

    def list(
        self, *, user_id: int | None = None, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[PaymentView], int]:
        """A page of top-ups, newest first, and how many there are."""
        with self._db.connection():
            query = Payment.select()
            if user_id is not None:
                query = query.where(Payment.user_id == user_id)
            states = _SHOWN.get(status, (status,)) if status is not None else None
            if states is not None:
                query = query.where(Payment.status.in_(states))
            rows = query.order_by(Payment.id.desc()).limit(limit).offset(offset)
            return [PaymentView.of(row) for row in rows], kept_count("payments", owner_id=user_id, first=states)

    def _checked(self, amount: float | str) -> int:
        sum_ = kopecks(amount)
        least, most = (kopecks(v) for v in (self._config.billing.least_top_up, self._config.billing.most_top_up))
        if not least <= sum_ <= most:
            raise InvalidAmount(
                f"Некорректная сумма: от {least / 100:g} до {most / 100:g} ₽",
                f"Invalid amount: from {least / 100:g} to {most / 100:g} roubles",
            )
        return sum_

    def _provider_for(self, method: str | None) -> PaymentProvider:
        offered = self._plugins.payment_providers
        for name, provider in offered.items():
            if method is None or method == name or method in provider.methods:
                return provider
        words = ", ".join(dict.fromkeys(word for p in offered.values() for word in p.methods)) or "—"
        raise ValidationFailed.of("payment_method", f"Допустимо: {words}", f"Allowed: {words}")

    def _insert(self, user_id: int, amount: int, provider: str, claim_id: int | None) -> tuple[Payment, str]:
        """The payment's row, that of the same request if there is one, and the payer's address."""
        with self._db.transaction():
            user = User.get_or_none(User.id == user_id)
            if user is None:
                raise NotFound("Пользователь не найден", "No such user")
            known = None if claim_id is None else Payment.get_or_none(Payment.claim_id == claim_id)
            if known is not None:
                return known, user.email
            now = self._clock.now()
            row = Payment.create(
                provider=provider,
                user_id=user_id,
                amount=amount,
                idempotency_key=secrets.token_hex(16),
                claim_id=claim_id,
                check_at=self._db.now_ms(FIRST_CHECK_SECONDS),
                created_at=now,
                updated_at=now,
            )
            return row, user.email

    def _created(
        self, payment_id: int, made: CreatedPayment, keep: Callable[[PaymentView], object] | None
    ) -> PaymentView:
        with self._db.transaction():
            # A quick callback may have been first; then only the address is news.
            self._set(payment_id, ("creating", "failed"), status="pending", external_id=made.external_id)
            Payment.update(confirmation_url=made.confirmation_url).where(Payment.id == payment_id).execute()
            view = PaymentView.of(Payment.get_by_id(payment_id), made.instructions)
            if keep is not None:
                keep(view)
            return view

    def _external_id(self, provider: str, event: CallbackEvent) -> str | None:
        """The provider's id of the event's payment; also of one that we do not know: it may be younger than its row."""
        if event.external_id is not None:
            return event.external_id
        with self._db.connection():
            row = Payment.get_or_none((Payment.id == event.payment_id) & (Payment.provider == provider))
            return row.external_id if row is not None else None

    def _apply(self, provider: str, state: PaymentState) -> None:
        """Do what follows from how a payment stands: one transaction."""
        try:
            with self._db.transaction():
                row = self._row_of(provider, state)
                if row is None:
                    logger.warning("a payment of nobody was called in", extra={"plugin": provider})
                    return
                if (row.amount, CURRENCY, row.id) != (state.amount, state.currency, state.payment_id):
                    logger.error("a payment differs from its order", extra={"plugin": provider, "payment_id": row.id})
                    self._set(row.id, ("creating", "pending"), status="failed")
                elif state.status is PaymentStatus.SUCCEEDED:
                    self._credit(row, _WAITING)
                    self._refunds.follow(row.id, state.refunded)
                elif state.status is PaymentStatus.CANCELED:
                    self._set(row.id, ("creating", "pending"), status="canceled")
        except NotFound:
            logger.error("a payment came for a user who is gone", extra={"plugin": provider})

    def _row_of(self, provider: str, state: PaymentState) -> Payment | None:
        """The payment's row, locked; one whose creation is not recorded yet is known by our id of it."""
        known = Payment.select().where((Payment.provider == provider) & (Payment.external_id == state.external_id))
        row: Payment | None = self._db.locked(known).first()
        if row is None and state.payment_id is not None:
            ours = (Payment.id == state.payment_id) & (Payment.provider == provider) & Payment.external_id.is_null()
            row = self._db.locked(Payment.select().where(ours)).first()
            if row is not None:
                self._set(row.id, ("creating", "failed"), status="pending", external_id=state.external_id)
        return row

    def _locked(self, payment_id: int) -> Payment:
        row: Payment | None = self._db.locked(Payment.select().where(Payment.id == payment_id)).first()
        if row is None:
            raise _no_payment()
        return row

    def _credit(self, row: Payment, states: tuple[str, ...]) -> bool:
        """Put the payment on the balance, if it is still in one of `states`; inside a transaction."""
        if not self._set(row.id, states, status="succeeded"):
            return False
        self._ledger.credit(row.user_id, row.amount, kind="top_up", key=f"top_up:{row.id}", description=TOP_UP)
        logger.info("a payment came", extra={"plugin": row.provider, "payment_id": row.id, "user_id": row.user_id})
        return True

    def _set(self, payment_id: int, states: tuple[str, ...], **changes: object) -> bool:
        with self._db.transaction():
            mine = (Payment.id == payment_id) & Payment.status.in_(states)
            return bool(Payment.update(updated_at=self._clock.now(), **changes).where(mine).execute())

    def _ask(self, provider: PaymentProvider, work: partial[T]) -> T:
        """Let the plugin work; one that crashes is a provider that is down."""
        try:
            return self._plugins.call(provider.name, work)
        except PluginCrashed as error:
            raise PaymentProviderDown from error


def _of(provider: PaymentProvider) -> dict[str, str]:
    return {"plugin": provider.name}


def _no_payment() -> NotFound:
    return NotFound("Платёж не найден", "No such payment")
