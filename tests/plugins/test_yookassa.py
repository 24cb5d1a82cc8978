"""YooKassa's own protocol: what is sent, and whose callbacks are taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replyx.app import App, open_app
from replyx.errors import ConfigError, InsufficientPermissions
from replyx.testing.payments import FakeYooKassa
from tests.conftest import Configure
from tests.plugins.tills import BACK, Shop, YooKassaTill
from tests.support.plugins import load


@pytest.fixture
def fake() -> Iterator[FakeYooKassa]:
    with FakeYooKassa() as server:
        yield server


def _shop(app: App, fake: FakeYooKassa) -> Shop:
    user = app.registration.register("anna@example.com", "long-enough-7x", opening_balance=0)
    return Shop(app, YooKassaTill(fake), user.id)


@pytest.fixture
def shop(fake: FakeYooKassa, configure: Configure, sqlite_url: str) -> Iterator[Shop]:
    settings = {**YooKassaTill(fake).settings(), "REPLYX_BILLING__RETURN_URLS": "https://shop.example"}
    app = open_app(configure(REPLYX_DATABASE__URL=sqlite_url, REPLYX_PLUGIN_YOOKASSA__VAT_CODE="4", **settings))
    yield _shop(app, fake)
    app.close()


def test_an_order_is_what_the_documentation_of_the_api_asks_for(shop: Shop, fake: FakeYooKassa) -> None:
    made = shop.app.top_ups.start(shop.user_id, 1000.05, method="sbp", return_url=BACK)

    (request,) = fake.requests
    assert (request.method, request.path) == ("POST", "/v3/payments")
    assert (request.user, request.password) == ("100500", "test_secret")
    assert len(request.headers["idempotence-key"]) == 32
    amount = {"value": "1000.05", "currency": "RUB"}
    description = f"Пополнение баланса № {made.id}"
    assert request.body == {
        "amount": amount,
        "capture": True,
        "confirmation": {"type": "redirect", "return_url": BACK},
        "description": description,
        "metadata": {"payment_id": str(made.id)},
        "payment_method_data": {"type": "sbp"},
        "receipt": {
            "customer": {"email": "anna@example.com"},
            "items": [
                {
                    "description": description,
                    "quantity": "1.00",
                    "amount": amount,
                    "vat_code": 4,
                    "payment_mode": "full_prepayment",
                    "payment_subject": "payment",
                }
            ],
        },
    }


def test_the_same_refund_again_has_the_same_key(shop: Shop, fake: FakeYooKassa) -> None:
    made, external_id = shop.order()
    fake.pay(external_id)
    shop.call(external_id)
    fake.trouble = lambda: (500, {})
    for _ in range(2):
        with pytest.raises(Exception, match="does not answer"):
            shop.app.top_ups.refund(made.id)
    fake.trouble = None
    shop.app.top_ups.refund(made.id)

    refunds = [request for request in fake.requests if request.path == "/v3/refunds"]
    assert len({request.headers["idempotence-key"] for request in refunds}) == 1
    assert refunds[0].body == {"payment_id": external_id, "amount": {"value": "1000.00", "currency": "RUB"}}


def test_a_callback_alone_is_never_believed(shop: Shop, fake: FakeYooKassa) -> None:
    made, external_id = shop.order()
    forged = fake.notification(external_id).replace(b'"status": "pending"', b'"status": "succeeded"')

    shop.app.top_ups.callback("yookassa", {}, forged, "127.0.0.1")

    assert b"succeeded" in forged
    assert (shop.status(made.id), shop.balance) == ("pending", 0)


def test_a_payment_id_that_leads_elsewhere_is_refused(shop: Shop, fake: FakeYooKassa) -> None:
    for external_id in ("../refunds", "a/b", "a?b", "%2e%2e", "", "x" * 65):
        with pytest.raises(Exception, match="cannot be read"):
            shop.app.top_ups.callback("yookassa", {}, fake.notification(external_id), "127.0.0.1")

    assert fake.requests == []


#: Addresses inside and outside of the published networks.
_THEIRS = ("185.71.76.1", "77.75.153.77", "77.75.156.11", "2a02:5180:0:1509::7", "::ffff:185.71.77.30")
_FOREIGN = ("185.71.76.32", "77.75.156.12", "127.0.0.1", "10.0.0.1", "2a02:5180::1", "::ffff:127.0.0.1", "", "x", "0")


def test_callbacks_count_from_the_published_networks_only(
    fake: FakeYooKassa, configure: Configure, sqlite_url: str
) -> None:
    settings = YooKassaTill(fake).settings()
    del settings["REPLYX_PLUGIN_YOOKASSA__CALLBACK_NETWORKS"]
    origins = {"REPLYX_BILLING__RETURN_URLS": "https://shop.example"}
    app = open_app(configure(REPLYX_DATABASE__URL=sqlite_url, **origins, **settings))
    shop = _shop(app, fake)

    for peer in _FOREIGN:
        made, external_id = shop.order(100)
        fake.pay(external_id)
        with pytest.raises(InsufficientPermissions):
            shop.call(external_id, peer=peer)
        assert shop.status(made.id) == "pending"
    assert shop.balance == 0
    for number, peer in enumerate(_THEIRS, start=1):
        _, external_id = shop.order(100)
        fake.pay(external_id)
        shop.call(external_id, peer=peer)
        assert shop.balance == number * 100_00
    app.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"REPLYX_PLUGIN_YOOKASSA__SHOP_ID": "1"},
        {"REPLYX_PLUGIN_YOOKASSA__SECRET_KEY": "x"},
        {"REPLYX_PLUGIN_YOOKASSA__CALLBACK_NETWORKS": "185.71.76.1/27", "REPLYX_PLUGIN_YOOKASSA__SHOP_ID": "1"}
        | {"REPLYX_PLUGIN_YOOKASSA__SECRET_KEY": "x"},
    ],
)
def test_half_a_setup_is_refused(configure: Configure, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"plugin\.yookassa"):
        load(configure(**settings))
