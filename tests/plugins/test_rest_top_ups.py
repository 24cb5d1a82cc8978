"""Top-ups over HTTP and from the command line: the contract's request, its errors, its limit, invoices by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from replyx.billing.return_urls import checked_return_url
from replyx.errors import ValidationFailed
from replyx.testing.payments import FakeStripe, FakeYooKassa
from tests.conftest import Configure
from tests.contract.shapes import example
from tests.edges.conftest import Build
from tests.plugins.tills import StripeTill, YooKassaTill
from tests.support.cli import Cli
from tests.support.house import House
from tests.support.http import Json

_ORIGINS = {"REPLYX_BILLING__RETURN_URLS": "https://example.com,http://127.0.0.1:8000"}
_ORDER: Json = {"amount": 1000.0, "payment_method": "card", "return_url": "https://example.com/success"}


def test_the_contracts_request_makes_an_invoice_that_an_administrator_confirms_once(build: Build) -> None:
    house = build(**_ORIGINS)
    owner, admin = house.api(house.anna), house.api(house.admin)
    before = owner.get("/api/balance")["balance"]

    made = owner.post("/api/balance/top-up", example("post-balance-top-up.request"), expect=201)
    path = f"/api/admin/payments/{made['payment_id']}/confirm"

    assert (made["status"], made["confirmation_url"], made["amount"]) == ("pending", None, 1000.0)
    assert f"№ {made['payment_id']} на 1000.00" in made["instructions"]
    assert owner.get("/api/balance")["balance"] == before
    owner.request("POST", path, expect=403)
    house.api().request("POST", path, expect=401)
    for _ in range(10):
        assert admin.post(path)["status"] == "succeeded"
    assert owner.get("/api/balance")["balance"] == before + 1000.0
    admin.request("POST", "/api/admin/payments/999/confirm", expect=404)
    house.api().request("POST", "/api/payments/manual/callback", expect=404, json={})


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"amount": -1}, 422, "INVALID_AMOUNT", None),
        ({"amount": 0}, 422, "INVALID_AMOUNT", None),
        ({"amount": 0.001}, 422, "INVALID_AMOUNT", None),
        ({"amount": 100_000.01}, 422, "INVALID_AMOUNT", None),
        ({"amount": 2**63}, 422, "INVALID_AMOUNT", None),
        ({"amount": "1000"}, 422, "VALIDATION_ERROR", "amount"),
        ({"amount": True}, 422, "VALIDATION_ERROR", "amount"),
        ({"amount": None}, 422, "VALIDATION_ERROR", "amount"),
        ({"payment_method": "bitcoin"}, 422, "VALIDATION_ERROR", "payment_method"),
        ({"payment_method": 1}, 422, "VALIDATION_ERROR", "payment_method"),
        ({"return_url": "https://evil.example/"}, 422, "VALIDATION_ERROR", "return_url"),
        ({"user_id": 1}, 422, "VALIDATION_ERROR", "user_id"),
        ({"status": "succeeded"}, 422, "VALIDATION_ERROR", "status"),
    ],
)
def test_orders_that_are_not_right_are_refused(
    build: Build, body: Json, status: int, code: str, field: str | None
) -> None:
    house = build(**_ORIGINS)

    error = house.api(house.anna).request("POST", "/api/balance/top-up", expect=status, json={**_ORDER, **body})

    assert error.json()["error"]["code"] == code
    assert error.json()["error"]["details"].get("field") == field
    assert house.app.top_ups.list()[1] == 0


@pytest.mark.parametrize("raw", [b'{"amount": NaN}', b'{"amount": Infinity}', b'{"amount": 1e999}'])
def test_what_is_no_number_is_refused(house: House, raw: bytes) -> None:
    answer = house.api(house.anna).client.post("/api/balance/top-up", content=raw)

    assert answer.status_code in (400, 422)
    assert house.app.top_ups.list()[1] == 0


def test_the_fourth_top_up_in_ten_minutes_is_refused(build: Build) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true", **_ORIGINS)
    api = house.api(house.anna)

    answers = [api.client.post("/api/balance/top-up", json=_ORDER) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert answers[0].headers["X-RateLimit-Limit"] == "3"
    assert 0 < int(answers[3].headers["Retry-After"]) <= 600


def test_a_payment_goes_from_the_order_to_the_balance_over_http(build: Build) -> None:
    with FakeYooKassa() as fake, FakeStripe() as other:
        house = build(**_ORIGINS, **YooKassaTill(fake).settings(), **StripeTill(other).settings())
        owner = house.api(house.anna)
        before = owner.get("/api/balance")["balance"]
        for till, method, payments in (
            (YooKassaTill(fake), "card", fake.payments),
            (StripeTill(other), "stripe", other.sessions),
        ):
            made = owner.post("/api/balance/top-up", {**_ORDER, "payment_method": method}, expect=201)
            (external_id,) = payments
            callback = f"/api/payments/{till.name}/callback"
            till.pay(external_id)
            headers, body = till.callback(external_id)
            forged = {"X-Forwarded-For": "185.71.76.1"}
            if headers:
                house.api().request("POST", callback, expect=403, content=body, headers=forged)
            for _ in range(3):
                house.api().request("POST", callback, expect=200, content=body, headers={**headers, **forged})
            assert made["confirmation_url"].startswith(till.server.url)
            assert house.app.top_ups.get(made["payment_id"]).status == "succeeded"
            house.api().request("POST", callback, expect=413, content=b"x" * 2_000_000)
        assert owner.get("/api/balance")["balance"] == before + 2000.0
        rows = owner.get("/api/balance/transactions?type=credit&limit=2")["transactions"]
        assert [(row["amount"], row["description"]) for row in rows] == [(1000.0, "Пополнение баланса")] * 2


def test_a_provider_that_is_down_is_502_and_one_that_refuses_402(build: Build) -> None:
    with FakeYooKassa() as fake:
        house = build(**_ORIGINS, **YooKassaTill(fake).settings())
        for status, answer in ((502, (500, {})), (402, (400, {"code": "invalid_request"}))):
            fake.trouble = lambda answer=answer: answer
            refused = house.api(house.anna).request("POST", "/api/balance/top-up", expect=status, json=_ORDER)
            assert refused.json()["error"]["code"] == "PAYMENT_FAILED"


#: Forms of `return_url` that lead, or could be read as leading, somewhere else.
_ELSEWHERE = [
    "https://evil.example", "//example.com", "/success", "success", "", "javascript:alert(1)", "data:text/html,x",
    "https://example.com.evil.example", "https://example.com@evil.example", "https://evil.example#example.com",
    "https://evil.example/https://example.com", "https://evil.example?https://example.com", "http://example.com",
    "https://example.com:444", "https://example.com:", "https://example.com:443@evil.example",
    "https://example.com\\@evil.example", "https://example.com\\.evil.example", "https:\\\\example.com",
    "https:/example.com", "https:example.com", "https:///example.com", " https://example.com",
    "https://example.com\n", "https://example.com/\r\nLocation: x", "https://exam\tple.com", "https://example.com%2eevil",
    "https://example.com%00.evil.example", "https://exаmple.com", "https://EXAMPLE.com", "HTTPS://example.com",
    "https://www.example.com", "https://example.com.", "https://user@example.com", "https://user:x@example.com",
    "https://example。com", "https://[::1]", "http://127.0.0.1", "http://127.0.0.1:8001", "http://127.1:8000",
    "https://example.com/" + "x" * 1000, "https://example.com/<script>", 'https://example.com/"',
]  # fmt: skip


@pytest.mark.parametrize("url", _ELSEWHERE)
def test_a_payer_is_sent_to_no_other_origin(configure: Configure, url: str) -> None:
    with pytest.raises(ValidationFailed):
        checked_return_url(url, configure(**_ORIGINS))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com", "https://example.com/", "https://example.com:443/a?b=c&d=%20#e", "http://127.0.0.1:8000/x",
        "https://help.example.org/billing",
    ],
)  # fmt: skip
def test_a_payer_is_sent_to_the_origins_that_are_named(configure: Configure, url: str) -> None:
    config = configure(REPLYX_SERVER__PUBLIC_URL="https://help.example.org", **_ORIGINS)

    assert checked_return_url(url, config) == url
    assert checked_return_url(None, config) == "https://help.example.org"


def test_without_a_way_back_a_provider_that_needs_one_is_not_asked(build: Build) -> None:
    with FakeYooKassa() as fake:
        house = build(**YooKassaTill(fake).settings())
        answer = house.api(house.anna).request("POST", "/api/balance/top-up", expect=422, json={"amount": 100})

        assert answer.json()["error"]["details"]["field"] == "return_url"
        assert fake.requests == []


def test_invoices_from_the_command_line(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli.json("users", "create", "anna@example.com", "--balance", "0", "--password-stdin", stdin="long-enough-7x\n")

    made = cli.json("billing", "top-up", "anna@example.com", "1000.50")
    pending = cli.json("billing", "payments", "--status", "pending")
    confirmed = [cli.json("billing", "confirm", str(made["payment_id"])) for _ in range(3)]
    balance = cli.json("billing", "balance", "anna@example.com")["balance"]
    refunded = cli.json("billing", "refund", str(made["payment_id"]))

    assert (made["status"], made["provider"], len(pending)) == ("pending", "manual", 1)
    assert {row["status"] for row in confirmed} == {"succeeded"}
    assert (balance, refunded["status"], refunded["refunded"]) == (1000.5, "refunded", 1000.5)
    assert cli.json("billing", "balance", "anna@example.com")["balance"] == 0
    assert cli.json("billing", "verify")["ok"]
    assert cli.error("billing", "confirm", str(made["payment_id"]))[0] == 9
    assert cli.error("billing", "confirm", "999")[1]["code"] == "NOT_FOUND"
    assert cli.error("billing", "top-up", "anna@example.com", "nan")[1]["code"] == "INVALID_AMOUNT"
    assert json.loads(cli.run("billing", "payments", "--json", "--user", "anna@example.com").out)[0]["user_id"] == 1
    assert "1000.50" in cli.run("billing", "payments").out
