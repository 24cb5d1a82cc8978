"""The registry of routes, and what is the same on every answer."""

from __future__ import annotations

import json
import re

import pytest
from websockets.exceptions import InvalidStatus

from replyx.server.endpoint import Permission
from replyx.server.limits import Limit
from replyx.server.routes import ROUTES
from tests.edges.conftest import Build
from tests.support.house import House

#: What anyone may call, named here so that nothing joins them unnoticed.
_OPEN = {
    "POST /api/auth/login", "POST /api/auth/register", "GET /healthz", "GET /readyz", "GET /openapi.json", "GET /docs",
    "POST /api/payments/{provider}/callback", "POST /telegram/{id:int}", "GET /metrics",
    "GET /verify-email", "POST /verify-email",
    "GET /", "GET /demo", "GET /demo/config.json", "GET /widget.js", "GET /static/{path:path}",
}  # fmt: skip


def _url(path: str) -> str:
    return re.sub(r"\{\w+(:\w+)?\}", "1", path)


def test_every_route_names_its_permission_once_and_only_a_few_are_open() -> None:
    names = [f"{route.method} {route.path}" for route in ROUTES]

    assert len(names) == len(set(names))
    assert all(isinstance(route.permission, Permission) for route in ROUTES)
    assert {n for n, r in zip(names, ROUTES, strict=True) if r.permission is Permission.ANONYMOUS} == _OPEN
    unlimited = {n for n, r in zip(names, ROUTES, strict=True) if r.limit is Limit.NONE}
    assert unlimited <= _OPEN


def test_every_other_route_refuses_whoever_proves_nothing(house: House) -> None:
    api = house.api()
    closed = [route for route in ROUTES if route.permission is not Permission.ANONYMOUS]

    answers = {f"{r.method} {r.path}": api.client.request(r.method, _url(r.path)) for r in closed}

    assert {name: a.status_code for name, a in answers.items() if a.status_code != 401} == {}
    assert {a.json()["error"]["code"] for a in answers.values()} == {"NOT_AUTHENTICATED"}


def test_administration_is_closed_to_tenants(house: House) -> None:
    api = house.api(house.anna)

    for route in (route for route in ROUTES if route.permission is Permission.ADMIN):
        answer = api.request(route.method, _url(route.path), expect=403)
        assert answer.json()["error"]["code"] == "INSUFFICIENT_PERMISSIONS"


def test_a_site_token_and_a_visitors_token_open_only_the_widgets_routes(house: House) -> None:
    session = house.session(assistant := house.assistant())
    for headers in ({"X-Site-Token": assistant["site_token"]}, {"Authorization": f"Bearer {session['visitor_token']}"}):
        api = house.api(**headers)
        for route in ROUTES:
            if route.permission not in (Permission.ANONYMOUS, Permission.SITE, Permission.VISITOR):
                api.request(route.method, _url(route.path), expect=401)


def test_every_answer_has_an_id_and_may_not_be_stored(house: House) -> None:
    api = house.api(house.anna)

    for path in ("/api/users/me", "/api/nothing", "/api/assistants/999", "/healthz"):
        answer = api.client.get(path, headers={"X-Request-ID": "proxy-0123456789"})
        assert answer.headers["X-Request-ID"] == "proxy-0123456789"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert {"Authorization", "Origin"} <= set(answer.headers["Vary"].split(", "))
        assert "server" not in answer.headers
    forged = api.client.get("/healthz", headers={"X-Request-ID": "a b\tc"}).headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", forged)


def test_unknown_routes_methods_and_addresses_of_directories_have_the_contracts_form(house: House) -> None:
    api = house.api(house.anna)

    unknown = api.request("GET", "/api/assistants/", expect=404)
    wrong = api.request("PATCH", "/api/assistants/1", expect=405)

    assert unknown.json()["error"]["code"] == "NOT_FOUND"
    assert wrong.json()["error"] == {
        "code": "METHOD_NOT_ALLOWED",
        "message": "Метод не поддерживается для этого адреса",
        "details": {},
    }
    assert set(wrong.headers["Allow"].split(", ")) == {"GET", "HEAD", "PUT", "DELETE"}
    assert api.request("GET", f"/api/assistants/{2**64}", expect=404).json()["error"]["code"] == "NOT_FOUND"
    assert api.client.head("/healthz").status_code == 200


#: `Accept-Language` and the language of the answer.
_LANGUAGES = {
    "": "ru", "en": "en", "en-US,en;q=0.9": "en", "ru,en;q=0.9": "ru", "en;q=0.3, ru;q=0.8": "ru",
    "de, en;q=0.5": "en", "de": "ru", "en;q=abc": "ru", "*": "ru", "en;q=9": "ru",
}  # fmt: skip


def test_sentences_are_russian_unless_english_is_preferred(house: House) -> None:
    expected = {"ru": "Требуется вход: передайте токен.", "en": "Not authenticated: send a token."}
    for header, language in _LANGUAGES.items():
        answer = house.api(**{"Accept-Language": header}).client.get("/api/users/me")
        assert answer.json()["error"]["message"] == expected[language], header


def test_a_crash_answers_without_a_word_of_where_it_was(house: House) -> None:
    token = house.token(house.anna)
    house.app.db.native.execute_sql = None

    answer = house.api(Authorization=f"Bearer {token}").client.get("/api/users/me")

    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "code": "INTERNAL_ERROR",
        "message": "Внутренняя ошибка. Повторите позже.",
        "details": {},
    }
    assert "X-Request-ID" in answer.headers


def test_the_description_names_every_route_with_its_models(house: House, build: Build) -> None:
    document = house.api().get("/openapi.json")

    described = {f"{method.upper()} {path}" for path, row in document["paths"].items() for method in row}
    known = {f"{r.method} {re.sub(r':[a-z]+}', '}', r.path)}" for r in ROUTES if r.in_schema}
    assert described == known
    assert document["openapi"] == "3.1.0"
    text = json.dumps(document)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in document["components"]["schemas"]
    body = document["components"]["schemas"]["NewAssistant"]
    assert body["additionalProperties"] is False
    assert body["required"] == ["name"]


def test_the_description_can_be_switched_off(build: Build) -> None:
    build(REPLYX_SERVER__DOCS="false").api().request("GET", "/openapi.json", expect=404)


def test_sockets_elsewhere_are_refused_in_the_contracts_form(house: House) -> None:
    with pytest.raises(InvalidStatus) as refused:
        house.api().socket("/ws/else", **{"Accept-Language": "en"})

    answer = refused.value.response
    assert answer.status_code == 404
    assert json.loads(answer.body or b"")["error"] == {
        "code": "NOT_FOUND",
        "message": "No such address. They are listed in /openapi.json",
        "details": {},
    }
    assert "X-Request-ID" in answer.headers
