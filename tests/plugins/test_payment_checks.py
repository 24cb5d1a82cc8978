"""Payments whose callback never came: asked for, credited once, given up in the end; and who sees them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from replyx.events.audit import AuditFilter
from replyx.storage.billing import Payment
from replyx.testing.payments import FakeYooKassa
from tests.edges.conftest import Build
from tests.plugins.tills import OPENING, Shop, YooKassaTill, down


def _make_due(shop: Shop, *, older_by: timedelta = timedelta()) -> None:
    """As if its time had come."""
    with shop.app.db.transaction():
        for row in Payment.select():
            Payment.update(check_at=0, created_at=row.created_at - older_by).where(Payment.id == row.id).execute()


def _actions(shop: Shop) -> list[tuple[str, str]]:
    lines, _ = shop.app.accounts.audit.list(AuditFilter())
    return [(line.action, line.outcome) for line in lines if line.action.startswith("payment.")]


def test_a_paid_payment_is_credited_once_though_nobody_called(shop: Shop) -> None:
    made, external_id = shop.order(1000)
    shop.till.pay(external_id)
    assert shop.app.payment_checks.check_due() == 0
    assert shop.status(made.id) == "pending"

    _make_due(shop)
    with ThreadPoolExecutor(8) as pool:
        asked = sum(pool.map(lambda _: shop.app.payment_checks.check_due(), range(8)))
    shop.call(external_id)

    assert asked == 1
    assert (shop.status(made.id), shop.balance) == ("succeeded", OPENING + 1000_00)
    _make_due(shop)
    assert shop.app.payment_checks.check_due() == 0


def test_a_payment_that_the_provider_has_ended_is_ended(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.cancel(external_id)
    _make_due(shop)

    assert shop.app.payment_checks.check_due() == 1

    assert (shop.status(made.id), shop.balance) == ("canceled", OPENING)


def test_questions_become_seldom_and_end_but_money_that_comes_late_counts(shop: Shop) -> None:
    made, external_id = shop.order()
    pauses = []
    for _ in range(9):
        _make_due(shop)
        assert shop.app.payment_checks.check_due() == 1
        with shop.app.db.connection():
            now = shop.app.db.native.execute_sql(f"SELECT {shop.app.db.now_ms().sql}").fetchone()[0]
            pauses.append(round((Payment.get_by_id(made.id).check_at - now) / 60_000))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert shop.status(made.id) == "pending"

    _make_due(shop, older_by=timedelta(days=4))
    shop.app.payment_checks.check_due()
    assert shop.status(made.id) == "canceled"
    shop.till.pay(external_id)
    shop.call(external_id)

    assert (shop.status(made.id), shop.balance) == ("succeeded", OPENING + 1000_00)


def test_a_provider_that_is_down_is_asked_once_a_turn_and_loses_nothing(shop: Shop) -> None:
    orders = [shop.order(100) for _ in range(3)]
    for _, external_id in orders:
        shop.till.pay(external_id)
    _make_due(shop)
    shop.till.server.trouble = down

    assert shop.app.payment_checks.check_due() == 1
    shop.till.server.trouble = None
    _make_due(shop)
    assert shop.app.payment_checks.check_due() == 3

    assert shop.balance == OPENING + 300_00


def test_a_payment_without_its_providers_name_is_given_up_after_an_hour(shop: Shop) -> None:
    made, _ = shop.order()
    with shop.app.db.transaction():
        Payment.update(status="creating", external_id=None).execute()

    _make_due(shop)
    shop.app.payment_checks.check_due()
    assert shop.status(made.id) == "pending"
    _make_due(shop, older_by=timedelta(hours=2))
    shop.app.payment_checks.check_due()

    assert shop.status(made.id) == "failed"


def test_refunds_stand_in_the_audit_log(shop: Shop) -> None:
    made, external_id = shop.order()
    shop.till.pay(external_id)
    shop.call(external_id)
    shop.till.server.trouble = lambda: (400, {"code": "invalid_request"})
    with pytest.raises(Exception, match="refused"):
        shop.app.top_ups.refund(made.id)
    shop.till.server.trouble = None

    shop.app.top_ups.refund(made.id)
    shop.app.payment_checks.check_due()

    assert _actions(shop) == [("payment.refunded", "ok"), ("payment.refunded", "refused")]


def test_users_see_their_own_payments_and_an_administrator_everybodys(build: Build) -> None:
    with FakeYooKassa() as fake:
        house = build(REPLYX_BILLING__RETURN_URLS="https://shop.example", **YooKassaTill(fake).settings())
        for user, sums in ((house.anna, (100, 200, 300)), (house.boris, (400,))):
            for roubles in sums:
                house.app.top_ups.start(user.id, roubles, method="card", return_url="https://shop.example/")
        fake.pay(external_id := next(iter(fake.payments)))
        house.app.top_ups.follow(house.app.plugins.payment_providers["yookassa"], external_id)
        anna, admin = house.api(house.anna), house.api(house.admin)

        own = anna.get("/api/balance/payments")
        page = anna.get("/api/balance/payments?status=pending&limit=1")
        every = admin.get("/api/admin/payments")
        hers = admin.get(f"/api/admin/payments?user_id={house.anna.id}&status=succeeded")

        assert [row["amount"] for row in own["payments"]] == [300.0, 200.0, 100.0]
        assert (own["total"], own["payments"][2]["status"], own["payments"][0]["status"]) == (3, "succeeded", "pending")
        assert (page["total"], len(page["payments"])) == (2, 1)
        assert (every["total"], every["payments"][0]["user_id"]) == (4, house.boris.id)
        assert [row["amount"] for row in hers["payments"]] == [100.0]
        anna.request("GET", "/api/admin/payments", expect=403)
        anna.request("GET", "/api/balance/payments?status=creating", expect=422)
