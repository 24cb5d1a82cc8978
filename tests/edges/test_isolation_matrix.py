"""Every route with every slot that may name a thing, tried by everyone whose thing it is not.

The routes and their slots come from the router: a new one is tried as soon as it stands there, and a new kind of slot
fails the last check until somebody has written down what it is to answer.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from replyx.server.endpoint import Endpoint, Permission
from replyx.server.routes import ROUTES
from tests.edges.conftest import Build
from tests.support.house import House
from tests.support.samples import fields_of, path_slots, reference_slots, sample_body, url_of
from tests.support.tenants import SAME_KEY, Tenant, belongings, plant

#: Least number of attempts that the matrix must be made of.
_LEAST = 5000

#: Slots that name nothing of a tenant's: a plugin, a file of the pages; or what is public and opens the demo's page.
#: `model` is tried with a stranger's key in test_openai_endpoint; `token` is all that a letter's page goes by, and has
#: its tests in test_letters.
_OF_NO_TENANT = {"path:provider", "path:path", "path:model", "query:site_token", "query:token"}

#: How one id can be written in a path so that it is the same one; and so that it is none.
_SPELLINGS = ("{id}", "00{id}", "%3{last}")
_NO_IDS = ("-{id}", "{id}%00")

#: An id that nothing has ever had.
_NEVER = 999_999_937

#: Where every tenant has rows, so that a change of them would be seen.
_TABLES = {
    "User", "Assistant", "Dialog", "Message", "Event", "Reply", "Document", "Chunk", "QaPair", "LedgerTransfer",
    "LedgerEntry",
}  # fmt: skip

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


@dataclass
class Caller:
    """Somebody who tries: what proves them, and as what."""

    name: str
    level: str
    headers: dict[str, str]
    tenant: Tenant | None = None
    #: What opens the socket.
    token: str = ""

    def may_all(self, endpoint: Endpoint) -> bool:
        """Whether the route is an administrator's, for things of every tenant."""
        return self.level == "admin" and endpoint.permission is Permission.ADMIN

    def refusal(self, permission: Permission) -> int:
        """What a stranger's thing must answer: not found, or before that what the caller may not do at all."""
        if permission is Permission.ANONYMOUS:
            # What a secret of its own opens: whoever does not send it finds nothing there.
            return 404
        if permission is Permission.VISITOR:
            return 404 if self.level == "visitor" else 401
        if self.level in ("nobody", "visitor", "site") or permission is Permission.API_KEY:
            return 401
        allowed = {Permission.DESK: ("operator", "owner", "admin"), Permission.USER: ("owner", "admin")}
        return 404 if self.level in allowed.get(permission, ()) else 403


@dataclass
class Attempt:
    """One request, the slot that it tries, and the statuses that it may have."""

    slot: str
    method: str
    url: str
    expected: int
    arguments: dict[str, Any] = field(default_factory=dict)


def _ids(endpoint: Endpoint, victim: Tenant) -> list[Any]:
    parts = endpoint.path.split("/")
    kind = "keys" if "{key}" in parts else parts[parts.index("{id:int}") - 1]
    # What is the administrators' alone has some first row, too.
    return victim.ids.get(kind, [1])


def _in_paths(caller: Caller, victims: list[Tenant]) -> Iterator[Attempt]:
    routes = [one for one in ROUTES if reference_slots(one) & {"path:id", "path:key"}]
    for endpoint in routes:
        if caller.may_all(endpoint):
            continue
        slot = f"{endpoint.method} {endpoint.path} path:{path_slots(endpoint)[0]}"
        body = {"json": sample_body(endpoint.body)} if endpoint.body else {}
        for number in (number for victim in victims for number in _ids(endpoint, victim)):
            expected = caller.refusal(endpoint.permission)
            for method in ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,):
                for spelling in _SPELLINGS if isinstance(number, int) else ("{id}",):
                    yield Attempt(slot, method, url_of(endpoint, _spelt(spelling, number)), expected, body)
            for spelling in _NO_IDS if isinstance(number, int) else ():
                yield Attempt(slot, endpoint.method, url_of(endpoint, _spelt(spelling, number)), 404, body)


def _spelt(spelling: str, number: object) -> str:
    text = str(number)
    if "{last}" in spelling:
        return text[:-1] + spelling.format(last=text[-1])
    return spelling.format(id=text)


def _in_other_verbs(caller: Caller, victims: list[Tenant]) -> Iterator[Attempt]:
    for path in {one.path for one in ROUTES if "path:id" in reference_slots(one)}:
        group = [one for one in ROUTES if one.path == path]
        known = {one.method for one in group} | ({"HEAD"} if any(one.method == "GET" for one in group) else set())
        for number in (number for victim in victims for number in _ids(group[0], victim)):
            for method in sorted(_METHODS - known):
                yield Attempt(
                    f"{method} {path}", method, url_of(group[0], number), 405, {"json": {}} if method[0] == "P" else {}
                )


def _in_queries(caller: Caller, victims: list[Tenant]) -> Iterator[Attempt]:
    """A filter by a stranger's thing, and a search there, is not found."""
    for endpoint in (one for one in ROUTES if one.query is not None and not caller.may_all(one)):
        slots = [name for name in reference_slots(endpoint) - _OF_NO_TENANT if name.startswith("query:")]
        own = _own_url(endpoint, caller)
        for slot in slots:
            name = slot.removeprefix("query:")
            for number in (number for victim in victims for number in victim.ids[_kind_of_field(name)]):
                query = {**sample_body(endpoint.query), name: number}
                refused = caller.refusal(endpoint.permission)
                yield Attempt(f"{endpoint.method} {endpoint.path} {slot}", "GET", own, refused, {"params": query})


def _kind_of_field(name: str) -> str:
    return {"assistant_id": "assistants", "user_id": "users", "operator_id": "users"}[name]


def _own_url(endpoint: Endpoint, caller: Caller) -> str:
    if not path_slots(endpoint):
        return endpoint.path
    return url_of(endpoint, _ids(endpoint, caller.tenant)[0] if caller.tenant else _NEVER)


def _in_unknown_queries(caller: Caller, victims: list[Tenant]) -> Iterator[Attempt]:
    """A parameter that no route knows opens nothing either: the answer is the caller's own, or its refusal."""
    for endpoint in (one for one in ROUTES if one.method == "GET" and one.path.startswith("/api/")):
        if caller.level == "admin" or endpoint.permission is Permission.VISITOR or "export" in endpoint.path:
            continue
        for victim in victims:
            params = {"user_id": victim.user.id, "owner_id": victim.user.id, "tenant_id": victim.user.id}
            yield Attempt("query:unknown", "GET", _own_url(endpoint, caller), 0, {"params": params})


#: What is made for an assistant that the body names, beside its number.
_OF_AN_ASSISTANT: dict[str, dict[str, Any]] = {
    "/api/qa-knowledge": {"question": "Вопрос?", "answer": "Ответ"},
    "/api/qa-knowledge/import": {"format": "json", "content": '[{"question": "Вопрос?", "answer": "Ответ"}]'},
    "/api/knowledge/sites": {"url": "https://93.184.215.14/"},
    "/api/knowledge/gaps/solve": {"gap": 1, "answer": "Ответ"},
}


def _in_bodies(caller: Caller, victims: list[Tenant]) -> Iterator[Attempt]:
    for victim in victims:
        for number in victim.ids["assistants"]:
            refused = caller.refusal(Permission.USER)
            for path, rest in _OF_AN_ASSISTANT.items():
                body = {"json": {"assistant_id": number, **rest}}
                yield Attempt(f"POST {path} body:assistant_id", "POST", path, refused, body)
            form = {"data": {"assistant_id": str(number)}, "files": {"file": ("a.md", b"# Text\n\nSome words.\n")}}
            yield Attempt("form:assistant_id", "POST", "/api/documents/upload", refused, form)
        yield from _extra_keys(caller, victim)


def _extra_keys(caller: Caller, victim: Tenant) -> Iterator[Attempt]:
    """A stranger's ids beside an otherwise good body of every route, sent to the caller's own things."""
    extra = {
        "id": victim.user.id, "user_id": victim.user.id, "owner_id": victim.user.id,
        "dialog_id": victim.ids["dialogs"][0],
        "assistant_id": victim.ids["assistants"][0], "document_id": victim.ids["documents"][0],
        "qa_id": victim.ids["qa-knowledge"][0], "dialog_key": victim.ids["keys"][0],
        "site_token": victim.assistants[0]["site_token"],
    }  # fmt: skip
    if caller.level not in ("owner", "operator"):
        return
    for endpoint in (one for one in ROUTES if one.body is not None):
        if caller.refusal(endpoint.permission) != 404:
            continue
        for name in extra.keys() - fields_of(endpoint.body).keys():
            body = {**sample_body(endpoint.body), name: extra[name]}
            url = _own_url(endpoint, caller)
            yield Attempt(f"{endpoint.method} {endpoint.path} body:*", endpoint.method, url, 422, {"json": body})


class Matrix:
    """Three tenants, everyone who may try, and the attempts that were made."""

    def __init__(self, house: House, step: int) -> None:
        """Of the attempts at one slot by one caller, the first and every `step`th are made."""
        self.house, self.step = house, step
        self.tenants = [plant(house, name) for name in ("anna", "boris", "vera")]
        self.tried: Counter[str] = Counter()
        self.leaks: list[str] = []
        first = self.tenants[0]
        self.operator = house.app.registration.register("olga@example.com", "long-enough-7x", operator_of=first.user.id)

    def callers(self) -> Iterator[Caller]:
        for tenant in self.tenants:
            token = self.house.token(tenant.user)
            yield Caller(tenant.word, "owner", {"Authorization": f"Bearer {token}"}, tenant, token)
        token = self.house.token(self.operator)
        yield Caller("operator", "operator", {"Authorization": f"Bearer {token}"}, self.tenants[0], token)
        token = self.house.token(self.house.admin)
        yield Caller("admin", "admin", {"Authorization": f"Bearer {token}"}, None, token)
        yield Caller("nobody", "nobody", {}, None, "forged")
        for tenant in self.tenants[:2]:
            token = tenant.sessions[0]["visitor_token"]
            headers = {"Authorization": f"Bearer {token}", "Origin": tenant.site}
            yield Caller("visitor", "visitor", headers, tenant, token)
        token = self.tenants[1].assistants[0]["site_token"]
        headers = {"X-Site-Token": token, "Origin": self.tenants[1].site}
        yield Caller("site", "site", headers, self.tenants[1], token)

    def victims(self, caller: Caller) -> list[Tenant]:
        return [tenant for tenant in self.tenants if tenant is not caller.tenant]

    def run(self, caller: Caller, attempts: Iterator[Attempt]) -> None:
        victims = self.victims(caller)
        with (
            httpx2.Client(base_url=self.house.url, headers=caller.headers, timeout=30, trust_env=False) as client,
            ThreadPoolExecutor(3) as pool,
        ):
            for _ in pool.map(lambda one: self._make(client, caller, one, victims), self._thinned(attempts)):
                pass

    def _thinned(self, attempts: Iterator[Attempt]) -> Iterator[Attempt]:
        seen: Counter[str] = Counter()
        for attempt in attempts:
            if seen[attempt.slot] % self.step == 0:
                yield attempt
            seen[attempt.slot] += 1

    def _make(self, client: httpx2.Client, caller: Caller, attempt: Attempt, victims: list[Tenant]) -> None:
        answer = client.request(attempt.method, attempt.url, **attempt.arguments)
        self.tried[attempt.slot] += 1
        label = f"{caller.name} {attempt.method} {attempt.url} {attempt.arguments}: {answer.status_code}"
        if answer.status_code != attempt.expected and (attempt.expected or answer.status_code >= 500):
            self.leaks.append(f"{label}, not {attempt.expected}")
        self.look(label, answer.text + str(answer.headers), victims)

    def look(self, label: str, seen: str, victims: list[Tenant]) -> None:
        """Note where a word of somebody else's is seen."""
        for victim in victims:
            if victim.word in seen:
                self.leaks.append(f"{label} shows {victim.word}: {seen[:300]}")


@pytest.fixture
def matrix(build: Build, database_url: str) -> Matrix:
    """All of it on SQLite; on PostgreSQL every slot by everyone, the rest with `make isolation`."""
    is_whole = database_url.startswith("sqlite:") or "REPLYX_TEST_WHOLE_MATRIX" in os.environ
    return Matrix(build(REPLYX_DATABASE__URL=database_url), step=1 if is_whole else 25)


def test_no_slot_of_no_route_opens_what_is_a_strangers(matrix: Matrix) -> None:
    before = [belongings(matrix.house.app.db, tenant.user.id) for tenant in matrix.tenants]
    assert all(rows.keys() >= _TABLES for rows in before)
    for caller in matrix.callers():
        victims = matrix.victims(caller)
        for made in (_in_paths, _in_other_verbs, _in_queries, _in_unknown_queries, _in_bodies):
            matrix.run(caller, made(caller, victims))
        _search_own(matrix, caller, victims)
        _open_sockets(matrix, caller, victims)

    assert not matrix.leaks, "\n".join(matrix.leaks[:20])
    assert [belongings(matrix.house.app.db, tenant.user.id) for tenant in matrix.tenants] == before
    _reuse_keys(matrix)
    assert not matrix.leaks, "\n".join(matrix.leaks[:20])
    assert matrix.tried.total() >= _LEAST / matrix.step
    _check_completeness(matrix)
    # What `make isolation` shows.
    sys.stdout.write(f"{matrix.tried.total()} attempts at {len(matrix.tried)} slots, no leak\n")


def _search_own(matrix: Matrix, caller: Caller, victims: list[Tenant]) -> None:
    """A search among one's own for the very words of others."""
    if caller.level != "owner" or caller.tenant is None:
        return
    own = caller.tenant.ids["assistants"]
    asked = [(number, victim.word) for number in own for victim in victims]
    api = matrix.house.api(caller.tenant.user)
    for number, word in asked:
        answer = api.get("/api/knowledge/search", params={"assistant_id": number, "q": f"Возврат {word}"})
        matrix.tried["search"] += 1
        matrix.look("search", str(answer), victims)
        for path in (f"/api/qa-knowledge?q={word}", "/api/dialogs", "/api/documents", "/api/balance/transactions"):
            matrix.look(path, str(api.get(path)), victims)


def _open_sockets(matrix: Matrix, caller: Caller, victims: list[Tenant]) -> None:
    """The path of a socket, the token in its query and in its first frame."""
    for victim in victims:
        for name in (*victim.ids["dialogs"][:: matrix.step], *victim.ids["keys"][:: matrix.step]):
            is_id = isinstance(name, int)
            expected = 4404 if caller.level in (("operator", "owner", "admin") if is_id else ("visitor",)) else 4401
            for in_query in (True, False):
                origin = {"Origin": caller.tenant.site} if caller.tenant else {}
                path = f"/ws/dialogs/{name}" + (f"?token={caller.token}" if in_query else "")
                with matrix.house.api().socket(path, **origin) as socket:
                    if not in_query:
                        socket.send({"type": "auth", "token": caller.token})
                    code = socket.close_code()
                matrix.tried["socket:dialog_id"] += 1
                if code != expected or socket.frames:
                    matrix.leaks.append(f"{caller.name} socket {name}: {code}, not {expected}: {socket.frames}")


def _reuse_keys(matrix: Matrix) -> None:
    """Keys and tokens that others have used, too, make something of one's own: nothing of theirs comes back."""
    made = []
    for tenant in matrix.tenants:
        others = [other for other in matrix.tenants if other is not tenant]
        before = [belongings(matrix.house.app.db, other.user.id) for other in others]
        api, visitor = matrix.house.api(tenant.user), matrix.house.visitor(tenant.sessions[1], tenant.site)
        body = {"text": "Слова", "client_msg_id": SAME_KEY}
        for path, slot, number, who in (
            ("/api/dialogs/{}/messages", "{id:int}", tenant.ids["dialogs"][1], api),
            ("/api/widget/dialogs/{}/messages", "{key}", tenant.ids["keys"][1], visitor),
        ):
            answer = who.request("POST", path.format(number), json=body, headers={"Idempotency-Key": SAME_KEY})
            matrix.tried[f"POST {path.format(slot)} body:client_msg_id"] += 1
            matrix.look(path, answer.text, others)
        headers = {"Idempotency-Key": f"{SAME_KEY}-of-assistants"}
        made.append(api.post("/api/assistants", {"name": "Одно имя"}, headers=headers)["id"])
        for other in others:
            _take_part(matrix, tenant, other)
        assert [belongings(matrix.house.app.db, other.user.id) for other in others] == before
    assert len(set(made)) == len(made)


def _take_part(matrix: Matrix, tenant: Tenant, other: Tenant) -> None:
    """A stranger's visitor comes with its token; a stranger is named as the operator."""
    token = other.sessions[0]["visitor_token"]
    session = matrix.house.session(tenant.assistants[0], tenant.site, visitor_token=token)
    matrix.tried["POST /api/widget/sessions body:visitor_token"] += 1
    assert session["dialog_key"] != other.sessions[0]["dialog_key"]
    matrix.look("widget session", str(session), [other])
    body = {"operator_id": other.user.id, "operator_name": "x"}
    path = f"/api/dialogs/{tenant.ids['dialogs'][0]}/handoff/take"
    matrix.house.api(tenant.user).request("POST", path, json=body, expect=403)
    matrix.tried["POST /api/dialogs/{id:int}/handoff/take body:operator_id"] += 1


def _check_completeness(matrix: Matrix) -> None:
    """Every slot that the router has was tried."""
    slots = {f"{one.method} {one.path} {slot}" for one in ROUTES for slot in reference_slots(one) - _OF_NO_TENANT}
    # Secrets that are stored, and name nothing of ours.
    stored = ("/api/assistants", "/api/admin/ai-tokens")
    missed = {slot for slot in slots - matrix.tried.keys() if not slot.split(" ", 1)[1].startswith(stored)}
    assert not missed
