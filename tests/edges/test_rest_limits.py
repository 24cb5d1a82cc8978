"""Rate limits over HTTP: the contract's table, its headers, and whom a request is counted to."""

from __future__ import annotations

import time

from tests.edges.conftest import Build
from tests.support.house import PASSWORD, House
from tests.support.http import Json

_LOGIN = {"email": "anna@example.com", "password": "wrong"}


def test_the_sixth_login_in_five_minutes_is_refused_with_when_to_come_back(build: Build) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true")
    api = house.api()

    seen = [api.request("POST", "/api/auth/login", expect=401, json=_LOGIN) for _ in range(5)]
    refused = api.request("POST", "/api/auth/login", expect=429, json=_LOGIN)

    assert [answer.headers["X-RateLimit-Remaining"] for answer in seen] == ["4", "3", "2", "1", "0"]
    assert {answer.headers["X-RateLimit-Limit"] for answer in seen} == {"5"}
    assert 0 <= int(seen[0].headers["X-RateLimit-Reset"]) - time.time() <= 301
    assert refused.json()["error"]["code"] == "RATE_LIMITED"
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    api.request("POST", "/api/auth/login", expect=429, json={**_LOGIN, "password": PASSWORD})
    house.api(house.anna).request("GET", "/api/users/me", expect=200)


def test_a_proxys_word_on_the_address_counts_only_where_the_proxy_is_trusted(build: Build) -> None:
    forged = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP")
    house = build(REPLYX_LIMITS__ENABLED="true")
    statuses = [
        house.api()
        .client.post(
            "/api/auth/login",
            json={"email": f"user{n}@example.com", "password": "x"},
            headers=dict.fromkeys(forged, f"203.0.113.{n}"),
        )
        .status_code
        for n in range(8)
    ]
    assert statuses == [401] * 5 + [429] * 3


def test_behind_a_trusted_proxy_each_address_and_each_account_is_counted(build: Build) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true", REPLYX_SERVER__TRUSTED_PROXIES="127.0.0.1")

    def log_in(email: str, address: str) -> int:
        body = {"email": email, "password": "x"}
        return house.api().client.post("/api/auth/login", json=body, headers={"X-Forwarded-For": address}).status_code

    assert [log_in(f"user{n}@example.com", "2001:db8::1") for n in range(5)] == [401] * 5
    assert log_in("other@example.com", "2001:db8::2") == 429
    assert log_in("other@example.com", "2001:db8:1::1") == 401
    assert [log_in("ANNA@example.com", f"203.0.113.{n}") for n in range(6)] == [401] * 5 + [429]


def test_the_general_limit_is_a_users_own(build: Build) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true", REPLYX_LIMITS__API_PER_MINUTE="3")
    api = house.api(house.anna)

    assert [api.client.get("/api/users/me").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert api.client.get("/api/balance").status_code == 429
    house.api(house.boris).request("GET", "/api/users/me", expect=200)
    guesses = [house.api(Authorization="Bearer guess").client.get("/api/users/me").status_code for _ in range(4)]
    assert guesses == [401, 401, 401, 429]
    house.api().request("GET", "/healthz", expect=200)
    assert "X-RateLimit-Limit" not in house.api().client.get("/healthz").headers


def test_uploads_have_a_limit_of_their_own(build: Build) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true", REPLYX_LIMITS__UPLOADS_PER_5_MINUTES="2")
    api = house.api(house.anna)
    assistant = house.assistant()
    form: Json = {"data": {"assistant_id": str(assistant["id"])}, "files": {"file": ("a.md", b"# A\n\ntext")}}

    statuses = [api.client.post("/api/documents/upload", **form).status_code for _ in range(3)]

    assert statuses == [201, 201, 429]
    assert api.client.get("/api/documents").headers["X-RateLimit-Limit"] == "100"


def test_limits_can_be_switched_off(house: House) -> None:
    api = house.api()

    answers = [api.client.post("/api/auth/login", json=_LOGIN) for _ in range(7)]

    assert {answer.status_code for answer in answers} == {401}
    assert not any("X-RateLimit-Limit" in answer.headers for answer in answers)
