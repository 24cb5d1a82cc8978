"""Logging in, registering, tokens and tickets, over HTTP."""

from __future__ import annotations

from replyx.security.tokens import TokenKind
from tests.edges.conftest import Build
from tests.support.house import PASSWORD, House


def test_a_user_registers_logs_in_changes_the_password_and_logs_out(both: House) -> None:
    anyone = both.api()
    sent = {"email": "New@Example.com", "password": PASSWORD, "first_name": "John", "last_name": "Doe"}

    made = anyone.post("/api/auth/register", sent, expect=201)
    logged_in = anyone.post("/api/auth/login", {"email": "new@example.COM", "password": PASSWORD}, expect=200)

    assert made["token_type"] == "bearer"
    assert (
        logged_in["user"]
        == made["user"]
        == {
            "id": made["user"]["id"],
            "email": "new@example.com",
            "is_admin": False,
            "balance": 500.0,
        }
    )
    user = both.api(Authorization=f"Bearer {logged_in['access_token']}")
    assert user.get("/api/users/me")["first_name"] == "John"
    assert user.put("/api/users/me", {"last_name": "Smith"})["last_name"] == "Smith"
    fresh = user.post("/api/auth/refresh")["access_token"]
    changed = user.post("/api/users/change-password", {"current_password": PASSWORD, "new_password": "another-8y-good"})
    user.request("GET", "/api/users/me", expect=401)
    both.api(Authorization=f"Bearer {fresh}").request("GET", "/api/users/me", expect=401)
    again = both.api(Authorization=f"Bearer {changed['access_token']}")
    again.post("/api/auth/logout", expect=200)
    assert again.request("GET", "/api/users/me", expect=401).json()["error"]["code"] == "NOT_AUTHENTICATED"


def test_bad_registrations_name_the_field(house: House) -> None:
    api = house.api()

    taken = api.request(
        "POST", "/api/auth/register", expect=409, json={"email": "ANNA@example.com", "password": PASSWORD}
    )
    assert taken.json()["error"]["code"] == "CONFLICT"
    assert taken.json()["error"]["details"]["field"] == "email"
    for body, field in (
        ({"email": "nobody", "password": PASSWORD}, "email"),
        ({"email": "a@example.com", "password": "short"}, "password"),
        ({"email": "a@example.com", "password": "password123"}, "password"),
    ):
        answer = api.request("POST", "/api/auth/register", expect=422, json=body)
        assert answer.json()["error"]["details"]["field"] == field


def test_registration_can_be_closed(build: Build) -> None:
    api = build(REPLYX_ACCOUNTS__REGISTRATION="false").api()

    api.request("POST", "/api/auth/register", expect=403, json={"email": "a@example.com", "password": PASSWORD})


def test_a_wrong_password_and_an_unknown_user_look_the_same(house: House) -> None:
    api = house.api()

    wrong = api.request("POST", "/api/auth/login", expect=401, json={"email": "anna@example.com", "password": "x"})
    unknown = api.request("POST", "/api/auth/login", expect=401, json={"email": "who@example.com", "password": "x"})

    assert wrong.json() == unknown.json()
    assert wrong.json()["error"]["code"] == "INVALID_CREDENTIALS"
    assert wrong.json()["error"]["message"] == "Неверный email или пароль"


def test_the_answer_to_a_wrong_login_is_the_same_to_the_byte_whoever_is_meant(house: House) -> None:
    api, answers = house.api(), []
    house.app.accounts.set_active(house.boris.id, active=False)
    nobody = ("who@example.com", "x", "", "a\x00b", "' OR 1=1")
    for email in (house.anna.email, house.boris.email, house.admin.email, *nobody):
        answer = api.request("POST", "/api/auth/login", expect=401, json={"email": email, "password": "wrong-one-9"})
        kept = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
        answers.append((answer.content, kept))

    assert [answer for answer in answers if answer != answers[0]] == []


def test_what_is_no_token_of_ours_is_refused(house: House) -> None:
    for header in ("", "Bearer", "Basic YTpi", "Bearer null", "Bearer a.b.c", "bearer\tx", "Bearer " + "x" * 9000):
        answer = house.api(Authorization=header).request("GET", "/api/users/me", expect=401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_tickets_and_tokens_of_other_kinds_are_no_access_tokens(house: House) -> None:
    made = house.api(house.anna).post("/api/ws-ticket", expect=201)
    session = house.session(house.assistant())

    assert made["expires_in"] == 60
    for token in (made["ticket"], session["visitor_token"]):
        house.api(Authorization=f"Bearer {token}").request("GET", "/api/users/me", expect=401)


def test_an_expired_token_says_so(house: House) -> None:
    expired = house.app.tokens.issue(TokenKind.ACCESS, str(house.anna.id), -5, ep="x")

    answer = house.api(Authorization=f"Bearer {expired}").request("GET", "/api/users/me", expect=401)

    assert answer.json()["error"]["code"] == "TOKEN_EXPIRED"


def test_a_disabled_user_is_out_at_once(house: House) -> None:
    api = house.api(house.anna)
    house.app.accounts.set_active(house.anna.id, active=False)

    api.request("GET", "/api/users/me", expect=401)
    house.api().request("POST", "/api/auth/login", expect=401, json={"email": "anna@example.com", "password": PASSWORD})
