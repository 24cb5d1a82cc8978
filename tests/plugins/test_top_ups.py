"""Top-ups through YooKassa and Stripe, on both databases: one credit for each payment, whatever is repeated."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from replyx.errors import (
    BadRequest,
    Conflict,
    InsufficientBalance,
    InsufficientPermissions,
    InvalidAmount,
    NotFound,
    PaymentFailed,
    PaymentProviderDown,
    ValidationFailed,
)
from replyx.storage.billing import Payment
from tests.plugins.tills import BACK, OPENING, Shop, down


def test_a_payment_is_made_pending_and_nothing_moves_before_it_is_paid(shop: Shop) -> None:
    made, external_id = shop.order(1000.5)

    assert (made.status, made.amount, made.provider) == ("pending", 1000_50, shop.till.name)
    assert made.confirmation_url is not None
    assert made.confirmation_url.startswith(shop.till.server.url)
    shop.call(external_id)
    assert (shop.status(made.id), shop.balance) == ("pending", OPENING)


def test_a_paid_payment_is_credited_once_however_often_it_is_called_in(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)

    for _ in range(10):
        shop.call(external_id)
    for number in range(10):
        other = json.dumps({**json.loads(shop.till.callback(external_id)[1]), "amount": number}).encode()
        shop.app.top_ups.callback(shop.till.name, shop.till.headers(other), other, "127.0.0.1")

    assert (shop.status(made.id), shop.balance) == ("succeeded", OPENING + 1000_00)
    (row,) = shop.app.ledger.transactions(shop.user_id, limit=1)[0]
    assert (row.amount, row.description) == (1000_00, "Пополнение баланса")


def test_of_fifty_callbacks_at_once_one_credits(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)

    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(partial(shop.call, external_id)) for _ in range(50)]:
            done.result(60)

    assert (shop.status(made.id), shop.balance) == ("succeeded", OPENING + 1000_00)


def test_callbacks_in_any_order_end_the_same(shop: Shop) -> None:
    paid, paid_id = shop.order(100)
    canceled, canceled_id = shop.order(200)
    shop.till.pay(paid_id)
    shop.till.cancel(canceled_id)

    for kind in ("canceled", "paid", "canceled", "paid"):
        shop.call(paid_id, kind)
        shop.call(canceled_id, kind)

    assert [shop.status(one.id) for one in (paid, canceled)] == ["succeeded", "canceled"]
    assert shop.balance == OPENING + 100_00


@pytest.mark.parametrize("status", ["creating", "failed"])
def test_a_payment_whose_order_was_cut_short_is_not_lost(shop: Shop, status: str) -> None:
    made, external_id = shop.order()
    with shop.app.db.transaction():
        Payment.update(status=status, external_id=None).execute()
    shop.till.pay(external_id)

    shop.call(external_id)

    assert (shop.status(made.id), shop.balance) == ("succeeded", OPENING + 1000_00)


@pytest.mark.parametrize(("amount", "currency", "ours"), [(1_00, "RUB", 0), (1000_00, "USD", 0), (1000_00, "RUB", 7)])
def test_a_payment_that_differs_from_its_order_is_not_credited(
    shop: Shop, amount: int, currency: str, ours: int
) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    shop.till.misstate(external_id, amount, currency, str(made.id + ours))

    shop.call(external_id)

    assert (shop.status(made.id), shop.balance) == ("failed", OPENING)


def test_payments_of_nobody_and_unknown_ones_are_passed_over(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    with shop.app.db.transaction():
        Payment.delete().execute()

    shop.call(external_id)
    shop.call(external_id.replace(external_id[-1], "x"))

    with pytest.raises(NotFound):
        shop.app.top_ups.get(made.id)
    assert shop.balance == OPENING


def test_a_callback_while_the_provider_is_down_is_asked_for_again(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    shop.till.server.trouble = down

    with pytest.raises(PaymentProviderDown):
        shop.call(external_id)
    shop.till.server.trouble = None
    shop.call(external_id)

    assert (shop.status(made.id), shop.balance) == ("succeeded", OPENING + 1000_00)


def test_a_provider_that_is_down_or_refuses_makes_no_payment(shop: Shop) -> None:
    for trouble, error in (
        (down, PaymentProviderDown),
        (lambda: (401, {"code": "invalid_credentials"}), PaymentProviderDown),
        (lambda: (200, {"id": "../x"}), PaymentProviderDown),
        (lambda: (400, {"code": "invalid_request"}), PaymentFailed),
    ):
        shop.till.server.trouble = trouble
        with pytest.raises(error):
            shop.order()

    rows, total = shop.app.top_ups.list()
    assert (total, {row.status for row in rows}) == (4, {"failed"})


def test_a_provider_that_is_not_there_is_down(shop: Shop) -> None:
    shop.till.server.__exit__(None, None, None)

    with pytest.raises(PaymentProviderDown):
        shop.order()


@pytest.mark.parametrize(
    "amount", [0, -1, -0.01, 0.001, 1000.005, float("nan"), float("inf"), 1e308, 9.99, 100_000.01, 2**63, "x", True]
)
def test_amounts_that_are_none_are_refused(shop: Shop, amount: float) -> None:
    with pytest.raises(InvalidAmount):
        shop.app.top_ups.start(shop.user_id, amount, method=shop.till.name, return_url=BACK)

    assert shop.till.server.requests == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense", b'{"event": 1}', b"[" * 100_000, b"\xff"])
def test_callbacks_that_cannot_be_read_are_refused(shop: Shop, body: bytes) -> None:
    with pytest.raises(BadRequest):
        shop.app.top_ups.callback(shop.till.name, shop.till.headers(body), body, "127.0.0.1")


def test_a_refund_takes_the_money_back_once(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    shop.call(external_id)

    refunded = shop.app.top_ups.refund(made.id)
    for _ in range(3):
        shop.call(external_id, "refunded")
    with pytest.raises(Conflict):
        shop.app.top_ups.refund(made.id)

    assert (refunded.status, refunded.refunded, shop.balance) == ("refunded", 1000_00, OPENING)
    (row,) = shop.app.ledger.transactions(shop.user_id, limit=1)[0]
    assert (row.type, row.amount, row.description) == ("debit", -1000_00, "Возврат платежа")


def test_a_refund_that_the_provider_does_not_answer_holds_the_money_and_can_be_repeated(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    shop.call(external_id)
    shop.till.server.trouble = down

    with pytest.raises(PaymentProviderDown):
        shop.app.top_ups.refund(made.id)
    assert (shop.status(made.id), shop.balance) == ("refunding", OPENING)
    shop.till.server.trouble = None

    assert shop.app.top_ups.refund(made.id).status == "refunded"
    assert shop.balance == OPENING


def test_a_refused_refund_gives_the_money_back_to_the_user(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    shop.call(external_id)
    shop.till.server.trouble = lambda: (400, {"code": "invalid_request"})

    with pytest.raises(PaymentFailed):
        shop.app.top_ups.refund(made.id)

    assert (shop.status(made.id), shop.balance) == ("succeeded", OPENING + 1000_00)


def test_what_was_spent_is_not_refunded(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    shop.call(external_id)
    shop.app.ledger.hold(shop.user_id, 5_00, "an answer")

    with pytest.raises(InsufficientBalance):
        shop.app.top_ups.refund(made.id)

    assert shop.status(made.id) == "succeeded"
    assert [request.path for request in shop.till.server.requests if "refund" in request.path] == []


def test_a_refund_made_at_the_providers_own_desk_is_followed_in_parts(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    shop.call(external_id)
    provider = shop.app.plugins.payment_providers[shop.till.name]

    provider.refund(external_id, 300_00, "part-1")
    shop.call(external_id, "refunded")
    assert (shop.status(made.id), shop.balance) == ("succeeded", OPENING + 700_00)
    shop.app.top_ups.refund(made.id)

    assert (shop.status(made.id), shop.balance) == ("refunded", OPENING)


@pytest.mark.parametrize("method", ["bitcoin", "", "yookassa2"])
def test_ways_to_pay_that_nobody_serves_are_refused(shop: Shop, method: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        shop.app.top_ups.start(shop.user_id, 100, method=method, return_url=BACK)

    assert refused.value.details["field"] == "payment_method"
    assert "card" in refused.value.message_en or "card" in refused.value.details["issue"]


def test_a_paid_payment_cannot_be_confirmed_by_hand(shop: Shop) -> None:
    made, _ = shop.order()

    with pytest.raises(Conflict):
        shop.app.top_ups.confirm(made.id)

    assert (shop.status(made.id), shop.balance) == ("pending", OPENING)


def test_a_crashing_provider_is_a_provider_that_is_down(shop: Shop) -> None:
    provider = shop.app.plugins.payment_providers[shop.till.name]
    provider.__dict__["_api"] = None

    with pytest.raises(PaymentProviderDown):
        shop.order()


def test_no_provider_of_that_name_is_not_found(shop: Shop) -> None:
    for name in ("paypal", "manual", "..", ""):
        with pytest.raises(NotFound):
            shop.app.top_ups.callback(name, {}, b"{}", "127.0.0.1")


def test_secrets_of_the_provider_are_never_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="replyx")
    shop.till.server.trouble = lambda: (401, {"error": {"message": "key sk_test_0 test_secret", "code": "bad"}})
    with pytest.raises(PaymentProviderDown):
        shop.order()
    with pytest.raises((InsufficientPermissions, BadRequest)):
        shop.app.top_ups.callback(shop.till.name, {}, b"test_secret", "127.0.0.1")

    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "bad" in logged
    assert not [secret for secret in ("sk_test_0", "whsec_test", "test_secret") if secret in logged]
