"""Stripe's own protocol: what is sent, and which signatures are taken."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest

from replyx.app import open_app
from replyx.errors import ConfigError, InsufficientPermissions
from replyx.testing.payments import FakeStripe
from tests.conftest import Configure
from tests.plugins.tills import BACK, Shop, StripeTill
from tests.support.clock import MovableClock
from tests.support.plugins import load


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with FakeStripe() as server:
        yield server


@pytest.fixture
def shop(fake: FakeStripe, configure: Configure, sqlite_url: str, clock: MovableClock) -> Iterator[Shop]:
    settings = {**StripeTill(fake).settings(), "REPLYX_BILLING__RETURN_URLS": "https://shop.example"}
    app = open_app(configure(REPLYX_DATABASE__URL=sqlite_url, **settings), clock=clock)
    user = app.registration.register("anna@example.com", "long-enough-7x", opening_balance=0)
    yield Shop(app, StripeTill(fake), user.id)
    app.close()


def test_an_order_is_what_the_documentation_of_the_api_asks_for(shop: Shop, fake: FakeStripe) -> None:
    made = shop.app.top_ups.start(shop.user_id, 1000.05, method="stripe", return_url=BACK)

    (request,) = fake.requests
    ours = str(made.id)
    assert (request.method, request.path, request.user) == ("POST", "/v1/checkout/sessions", "sk_test_0")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert len(request.headers["idempotency-key"]) == 32
    assert request.body == {
        "mode": "payment",
        "success_url": BACK,
        "cancel_url": BACK,
        "client_reference_id": ours,
        "customer_email": "anna@example.com",
        "metadata[payment_id]": ours,
        "payment_intent_data[metadata][payment_id]": ours,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "rub",
        "line_items[0][price_data][unit_amount]": "100005",
        "line_items[0][price_data][product_data][name]": f"Пополнение баланса № {ours}",
    }


def test_only_fresh_signatures_with_the_endpoints_secret_are_taken(
    shop: Shop, fake: FakeStripe, clock: MovableClock
) -> None:
    made, external_id = shop.order()
    fake.pay(external_id)
    body, now = fake.event(external_id), clock.now().timestamp()
    good = fake.signature(body, now)
    moment, signature = f"{int(now)}", good.partition("v1=")[2].partition(",")[0]
    other = hmac.new(b"whsec_other", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    forged = [
        "", "t=,v1=", "v1=" + signature, f"t={moment}", f"t={moment},v1={other}", f"t={moment},v0={signature}",
        f"t={moment},v1={signature[:-1]}", f"t={int(moment) + 1},v1={signature}", f"t={moment},t=1,v1={signature}",
        f"t=١٢,v1={signature}", f"t={moment},v1=é", f"t=-{moment},v1={signature}",
        fake.signature(body, now - 301), fake.signature(body, now + 301), fake.signature(body + b" ", now),
    ]  # fmt: skip

    for header in forged:
        with pytest.raises(InsufficientPermissions):
            shop.app.top_ups.callback("stripe", {"stripe-signature": header}, body, "127.0.0.1")
    with pytest.raises(InsufficientPermissions):
        shop.app.top_ups.callback("stripe", {}, body, "127.0.0.1")
    assert (shop.status(made.id), shop.balance) == ("pending", 0)

    # While secrets are rolled over, there are two signatures, and one of them is ours.
    both = {"stripe-signature": f"t={moment},v1={other},v1={signature}"}
    shop.app.top_ups.callback("stripe", both, body, "127.0.0.1")
    assert (shop.status(made.id), shop.balance) == ("succeeded", 1000_00)


def test_a_signed_webhook_is_still_only_a_hint(shop: Shop, fake: FakeStripe, clock: MovableClock) -> None:
    made, external_id = shop.order()
    claim = json.loads(fake.event(external_id))
    claim["data"]["object"] |= {"payment_status": "paid", "amount_total": 10**9}
    body = json.dumps(claim).encode()

    header = {"stripe-signature": fake.signature(body, clock.now().timestamp())}
    shop.app.top_ups.callback("stripe", header, body, "127.0.0.1")

    assert (shop.status(made.id), shop.balance) == ("pending", 0)


def test_other_events_are_passed_over(shop: Shop, fake: FakeStripe, clock: MovableClock) -> None:
    for kind in ("customer.created", "payout.paid"):
        body = json.dumps({"type": kind, "data": {"object": {"id": "x"}}}).encode()
        header = {"stripe-signature": fake.signature(body, clock.now().timestamp())}
        shop.app.top_ups.callback("stripe", header, body, "127.0.0.1")

    assert fake.requests == []


@pytest.mark.parametrize("name", ["SECRET_KEY", "WEBHOOK_SECRET"])
def test_half_a_setup_is_refused(configure: Configure, name: str) -> None:
    with pytest.raises(ConfigError, match=r"plugin\.stripe"):
        load(configure(**{f"REPLYX_PLUGIN_STRIPE__{name}": "x"}))
