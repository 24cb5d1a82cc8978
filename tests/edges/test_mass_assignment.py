"""What no caller may set, sent to every route that takes a body; and wrong types in every slot of every body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import httpx2
import pytest

from replyx.server.endpoint import Endpoint
from replyx.server.routes import ROUTES
from tests.support.house import PASSWORD, House
from tests.support.http import Json
from tests.support.samples import fields_of, path_slots, sample_body, url_of
from tests.support.tenants import Tenant, belongings, plant

#: Columns and other people's words; where one is a route's own field, it is none of that route's forbidden ones.
_FORBIDDEN: Json = {
    "id": 1, "user_id": 1, "owner_id": 1, "tenant_id": 1, "is_admin": True, "is_active": True, "role": "admin",
    "balance": 1_000_000, "held": 0, "welcome_bonus": 1_000_000, "total_spent": 0, "plan": "enterprise",
    "onboarding_completed": True, "created_at": "2020-01-01T00:00:00Z", "last_login_at": "2020-01-01T00:00:00Z",
    "token_epoch": "0", "password_hash": "x", "totp_secret": "x", "priority": 0, "daily_usage": 0,
    "monthly_usage": 0, "sender": "assistant", "seq": 1, "last_seq": 0, "dialog_key": "0" * 32, "site_token": "x",
    "status": "completed", "taken_over_by": 1, "storage_name": "../../etc/passwd", "sha256": "0" * 64,
    "knowledge_revision": 1, "reply_id": 1, "engine": "remote", "outcome": "answered", "sources": [],
    "__proto__": {"is_admin": True}, "constructor": {"prototype": {"is_admin": True}},
}  # fmt: skip

#: Values of other types than a slot's own.
_WRONG: dict[str, list[Any]] = {
    "string": [{"$ne": ""}, {"$gt": ""}, ["x"], [], 1, 1.5, True, {"toString": "x"}],
    "integer": [{"$gt": 0}, [1], [], "1", "x", 1.5, True, 10**30],
    "number": [{"$gt": 0}, [1], "1", "x", True],
    "boolean": [{"$ne": False}, [True], "true", "x", 1, 0],
    "object": ["x", 1, True, [], ["x"], {"api": "x"}, {"api": None}, {"api": [1]}, {"api": {"api": "x"}}, {"fax": 1.5}],
    "array": [{"$in": []}, "x", 1, True, [{"$ne": ""}], [["x"]], [1]],
}

#: The OpenAI-compatible API is another's form: there unknown keys are many, and none is looked at.
_WITH_BODY = tuple(one for one in ROUTES if one.body is not None and not one.path.startswith("/v1/"))


def _spellings(name: str) -> set[str]:
    camel = "".join(part.title() if n else part for n, part in enumerate(name.split("_")))
    return {name, camel, name.upper(), f"{name}[]", f"user.{name}", f" {name}", f"{name}\u200b"}


class Everyone:
    """A caller for each route, with something of its own in the route's path."""

    def __init__(self, house: House) -> None:
        self.house, self.tenant = house, plant(house, "anna")
        session, origin = self.tenant.sessions[0], self.tenant.site
        self._clients = {
            "user": self._client(Authorization=f"Bearer {house.token(self.tenant.user)}"),
            "admin": self._client(Authorization=f"Bearer {house.token(house.admin)}"),
            "visitor": self._client(Authorization=f"Bearer {session['visitor_token']}", Origin=origin),
            "site": self._client(
                **{"X-Site-Token": self.tenant.assistants[0]["site_token"], "Origin": self.tenant.site}
            ),
        }
        self._clients |= {"desk": self._clients["user"], "anonymous": self._client()}
        key = house.api(house.admin).post(
            "/api/admin/ai-tokens", {"name": "a", "token": "sk-" + "a" * 40, "model_access": ["m"]}, expect=201
        )
        self._ids = {**self.tenant.ids, "ai-tokens": [key["id"]]}

    def send(self, endpoint: Endpoint, content: str) -> httpx2.Response:
        return self._clients[endpoint.permission].request(endpoint.method, self._url(endpoint), content=content)

    def _url(self, endpoint: Endpoint) -> str:
        if not path_slots(endpoint):
            return endpoint.path
        parts = endpoint.path.split("/")
        kind = "keys" if "{key}" in parts else parts[parts.index("{id:int}") - 1]
        return url_of(endpoint, self._ids[kind][0])

    def _client(self, **headers: str) -> httpx2.Client:
        return self.house.api(None, **headers).client

    def state(self) -> Any:
        with self.house.app.db.connection():
            return [belongings(self.house.app.db, user.id) for user in (self.tenant.user, self.house.admin)]


@pytest.fixture
def everyone(house: House) -> Everyone:
    return Everyone(house)


#: A route, a body, and the fields for each of which it is to be refused.
Bad = tuple[Endpoint, str, set[str]]


def _try(everyone: Everyone, bodies: Iterator[Bad]) -> tuple[int, list[str]]:
    """Send each; how many fields there were, and what was not refused with 422 and every field's name."""

    def attempt(one: Bad) -> tuple[int, str]:
        endpoint, content, names = one
        answer = everyone.send(endpoint, content)
        said = answer.json().get("error", {}) if answer.content else {}
        # Of a list the index stands behind the name; a name with a dot of its own is cut as well.
        named = {row["field"].split(".")[0] for row in said.get("details", {}).get("errors", [])}
        named.add(said.get("details", {}).get("field", "").split(".")[0])
        is_refused = answer.status_code == 422 and named >= {name.split(".")[0] for name in names}
        told = "" if is_refused else f"{endpoint.method} {endpoint.path} {content[:200]}: {answer.status_code} {said}"
        return len(names), told

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(attempt, bodies))
    return sum(fields for fields, _ in answers), [told for _, told in answers if told]


def test_what_no_caller_may_set_is_refused_by_every_route_in_every_spelling(everyone: Everyone) -> None:
    before = everyone.state()

    tried, obeyed = _try(everyone, chain(_forbidden_keys(), _duplicate_keys()))

    assert not obeyed, "\n".join(obeyed[:20])
    assert everyone.state() == before
    assert tried > 5000
    assert not everyone.house.app.accounts.me(_actor(everyone.tenant, everyone.house)).is_admin


def _actor(tenant: Tenant, house: House) -> Any:
    return house.app.accounts.authenticate(house.token(tenant.user))


def _forbidden_keys() -> Iterator[Bad]:
    """All spellings of a name at once: the answer has to name every one of them."""
    for endpoint in _WITH_BODY:
        own = fields_of(endpoint.body)
        for name in _FORBIDDEN.keys() - own.keys():
            spellings = _spellings(name)
            body = {**sample_body(endpoint.body), **dict.fromkeys(spellings, _FORBIDDEN[name])}
            yield endpoint, json.dumps(body), spellings


def _duplicate_keys() -> Iterator[Bad]:
    for endpoint in _WITH_BODY:
        full = sample_body(endpoint.body, full=True)
        for name, value in full.items():
            once = json.dumps(full)
            # The second one, the first one, and the same key written with an escape.
            for key in (json.dumps(name), f'"\\u{ord(name[0]):04x}{name[1:]}"'):
                yield endpoint, f"{once[:-1]}, {key}: {json.dumps(value)}}}", {name}
                yield endpoint, f"{{{key}: {json.dumps(value)}, {once[1:]}", {name}


def test_a_wrong_type_in_any_slot_is_refused(everyone: Everyone) -> None:
    before = everyone.state()

    tried, taken = _try(everyone, _wrong_types())

    assert not taken, "\n".join(taken[:20])
    assert everyone.state() == before
    assert tried > 500


def _wrong_types() -> Iterator[Bad]:
    for endpoint in _WITH_BODY:
        for name, schema in fields_of(endpoint.body).items():
            kinds = list(schema.get("anyOf", [schema]))
            is_nullable = any(one.get("type") == "null" for one in kinds)
            [kind] = {one.get("type", "string") for one in kinds} - {"null"}
            for value in [*_WRONG[kind], *([] if is_nullable else [None])]:
                yield endpoint, json.dumps({**sample_body(endpoint.body), name: value}), {name}


def test_forms_and_uploads_take_no_further_fields(everyone: Everyone) -> None:
    before = everyone.state()
    api = everyone.house.api(everyone.tenant.user)
    number = str(everyone.tenant.ids["assistants"][0])
    for name in (*_FORBIDDEN, "file.path", "file.filepath", "files.0.path", "filename", "content_type"):
        answer = api.request(
            "POST",
            "/api/documents/upload",
            expect=422,
            data={"assistant_id": number, name: "/etc/passwd"},
            files={"file": ("a.md", b"# Text\n\nWords.\n")},
        )
        assert answer.json()["error"]["details"]["field"] == name
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", ""):
        content = json.dumps({"assistant_id": number, "file": {"filepath": "/etc/passwd", "path": "/etc/passwd"}})
        headers = {"Content-Type": kind} if kind else {}
        api.request("POST", "/api/documents/upload", expect=400, content=content, headers=headers)
    for endpoint in _WITH_BODY:
        answer = everyone.send(endpoint, "is_admin=true&balance=1000000")
        assert answer.status_code == 400, endpoint.path
    assert everyone.state() == before


def test_routes_without_a_body_read_none(everyone: Everyone) -> None:
    """They do what their URL says; a body changes nothing of what it is done to."""
    api = everyone.house.api(everyone.tenant.user)
    before = api.get("/api/users/me")
    for path in ("/api/auth/refresh", "/api/ws-ticket"):
        api.request("POST", path, json=_FORBIDDEN)
    rotated = api.post(f"/api/assistants/{everyone.tenant.ids['assistants'][0]}/site-token", _FORBIDDEN)
    everyone.house.api().request("POST", "/api/auth/login", expect=422, json={**_FORBIDDEN, "password": PASSWORD})

    assert api.get("/api/users/me") == before
    assert rotated["site_token"] != "x"
