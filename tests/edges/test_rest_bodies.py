"""What a request may send: everything that is not exactly right is refused with a sentence that says so."""

from __future__ import annotations

import socket
import string
from urllib.parse import urlsplit

from replyx.server.routes import ROUTES
from replyx.server.validation import SENTENCES
from tests.edges.conftest import Build
from tests.support.house import House

_LOGIN = '{"email": "anna@example.com", "password": "x"}'


#: A login's body, the status of the answer, the field that is named.
_BODIES: list[tuple[bytes, int, str | None]] = [
    (b"", 400, None),
    (b"{", 400, None),
    (b"[]", 400, None),
    (b"null", 400, None),
    (b'"text"', 400, None),
    (b"\xff\xfe", 400, None),
    (_LOGIN.encode("utf-16"), 400, None),
    (b"\xef\xbb\xbf{}", 400, None),
    (b'{"email": NaN, "password": "x"}', 400, None),
    (b'{"email": -Infinity, "password": "x"}', 400, None),
    (b"[" * 100_000, 400, None),
    (b'{"email": ' + b"9" * 5000 + b', "password": "x"}', 400, None),
    (b'{"email": "a", "email": "b", "password": "x"}', 422, "email"),
    (b'{"password": "x"}', 422, "email"),
    (b'{"email": null, "password": "x"}', 422, "email"),
    (b'{"email": 5, "password": "x"}', 422, "email"),
    (b'{"email": ["a"], "password": "x"}', 422, "email"),
    (b'{"email": "a", "password": "x", "is_admin": true}', 422, "is_admin"),
    (b'{"email": "a", "password": {"a": {"b": 1}}}', 422, "password"),
    (b'{"email": "\\ud800", "password": "long-enough-7x"}', 422, "email"),
]


def test_a_body_that_is_not_exactly_right_is_refused(house: House) -> None:
    for body, status, field in _BODIES:
        error = house.api().request("POST", "/api/auth/register", expect=status, content=body).json()["error"]

        assert error["code"] == ("BAD_REQUEST" if status == 400 else "VALIDATION_ERROR"), body[:50]
        assert error["details"].get("field") == field, body[:50]


def test_the_content_types_charset_changes_nothing(house: House) -> None:
    for content_type in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=UTF-8", None):
        headers = {"Content-Type": content_type} if content_type else {}
        answer = house.api().request("POST", "/api/auth/login", expect=422, content=b'{"email": 1}', headers=headers)
        assert [row["field"] for row in answer.json()["error"]["details"]["errors"]] == ["email", "password"]


def test_findings_are_told_in_both_languages(house: House) -> None:
    body = {"email": 1}

    russian = house.api().request("POST", "/api/auth/login", expect=422, json=body).json()["error"]
    english = (
        house.api(**{"Accept-Language": "en"}).request("POST", "/api/auth/login", expect=422, json=body).json()["error"]
    )

    assert russian == {
        "code": "VALIDATION_ERROR",
        "message": "Некорректные данные",
        "details": {
            "field": "email",
            "issue": "Нужна строка",
            "errors": [
                {"field": "email", "issue": "Нужна строка"},
                {"field": "password", "issue": "Обязательное поле"},
            ],
        },
    }
    assert english["message"] == "Invalid data"
    assert english["details"]["issue"] == "A string is needed"


def test_a_body_without_required_fields_may_be_empty(house: House) -> None:
    house.api(house.anna).request("PUT", "/api/users/me", expect=200, content=b"")


def test_numbers_beyond_what_a_database_holds_are_refused(house: House) -> None:
    api = house.api(house.anna)

    for path in (f"/api/documents?assistant_id={2**63}", "/api/dialogs?limit=201", "/api/dialogs?limit=0"):
        assert api.request("GET", path, expect=422).json()["error"]["code"] == "VALIDATION_ERROR"
    for query in ("limit=ten", "offset=-1", "limit=5&limit=6", "status=new", "handoff_status=", "platform=fax"):
        api.request("GET", f"/api/dialogs?{query}", expect=422)
    body = {"assistant_id": 2**70, "question": "q", "answer": "a"}
    answer = api.request("POST", "/api/qa-knowledge", expect=422, json=body)
    assert answer.json()["error"]["details"]["field"] == "assistant_id"
    api.request(
        "POST", "/api/qa-knowledge", expect=422, content=b'{"assistant_id": true, "question": "", "answer": ""}'
    )
    api.request("GET", "/api/dialogs?unknown=1", expect=200)


def test_a_zero_character_is_refused_where_a_database_could_not_store_it(house: House) -> None:
    api = house.api(house.anna)
    assistant = house.assistant()

    api.request("PUT", "/api/users/me", expect=422, json={"first_name": "a\0b"})
    api.request("GET", "/api/qa-knowledge?q=a%00b", expect=422)
    api.request("GET", f"/api/knowledge/search?assistant_id={assistant['id']}&q=%00", expect=422)


def test_a_body_over_the_limit_is_refused_before_it_is_read(build: Build) -> None:
    house = build(REPLYX_SERVER__MAX_BODY_BYTES="2000")
    parts = urlsplit(house.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
        raw.sendall(
            b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")

    answer = house.api().request("POST", "/api/auth/login", expect=413, content=iter([b"x" * 1500] * 2))
    assert answer.json()["error"]["code"] == "FILE_TOO_LARGE"
    house.api().request("POST", "/api/auth/login", expect=422, content=b'{"email": "' + b"x" * 1900 + b'"}')


def test_every_finding_that_a_model_can_make_has_its_sentence() -> None:
    for ru, en in SENTENCES.values():
        fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (ru, en)]
        assert fields[0] == fields[1]
    bodies = {route.path: route.body.model_config for route in ROUTES if route.body}
    # Clients of OpenAI's API send fields that only OpenAI knows.
    assert {path for path, form in bodies.items() if form.get("extra") != "forbid"} == {"/v1/chat/completions"}
    assert all(form.get("strict") for form in bodies.values())
