"""Whatever can be created can be read, changed, listed and deleted; and every bare list is had page by page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from replyx.server.endpoint import Permission
from replyx.server.routes import ROUTES
from tests.edges.conftest import Build
from tests.support.house import House
from tests.support.http import Api, Json

#: Makes one thing of a tenant's, or of the administrator's, for an assistant.
Make = Callable[[Api, int, str], Json]


def _post(path: str, **fields: Any) -> Make:
    """Makes it by JSON; `NAME` in a field is the new thing's own name."""

    def make(api: Api, assistant_id: int, name: str) -> Json:
        own = {key: value.replace("NAME", name) if isinstance(value, str) else value for key, value in fields.items()}
        if path in ("/api/qa-knowledge", "/api/knowledge/sites"):
            own["assistant_id"] = assistant_id
        made: Json = api.post(path, own, expect=201)
        return made

    return make


def _upload(api: Api, assistant_id: int, name: str) -> Json:
    files, data = {"file": (f"{name}.md", b"# Text\n\nWords.\n")}, {"assistant_id": str(assistant_id)}
    made: Json = api.request("POST", "/api/documents/upload", data=data, files=files, expect=201).json()
    return made


#: Collection → how one of it is made, and a change of it.
_RESOURCES: dict[str, tuple[Make, Json]] = {
    "/api/assistants": (_post("/api/assistants", name="NAME"), {"name": "Другое", "is_active": False}),
    "/api/documents": (_upload, {"filename": "другое имя.md"}),
    "/api/qa-knowledge": (
        _post("/api/qa-knowledge", question="NAME?", answer="Да", tags=["a"]),
        {"question": "Другой?", "answer": "Нет", "tags": []},
    ),
    # A public address, which nobody visits here: that is a worker's.
    "/api/knowledge/sites": (
        _post("/api/knowledge/sites", url="https://93.184.215.14/NAME"),
        {"max_depth": 1, "max_pages": 7, "every_hours": 0},
    ),
    "/api/api-keys": (_post("/api/api-keys", name="NAME"), {"name": "Другой"}),
    "/api/admin/ai-tokens": (
        _post("/api/admin/ai-tokens", name="NAME", token="sk-0123456789abcdef-NAME", model_access=["gpt-4"]),
        {"name": "Другой", "priority": 7, "is_active": False},
    ),
}

#: Fields that are told once, or that follow from others.
_PASSING = {"key", "token", "last_used_at", "due_at"}


def test_every_collection_that_takes_new_things_is_here() -> None:
    paths = {f"{one.method} {re.sub(':int', '', one.path)}" for one in ROUTES}
    collections = {
        path.removeprefix("GET ").removesuffix("/{id}") for path in paths if re.match(r"GET .*/\{id\}$", path)
    }
    created = {path for path in collections if f"POST {path}" in paths or f"POST {path}/upload" in paths}

    assert created == set(_RESOURCES)
    for path in created:
        assert {f"{verb} {path}/{{id}}" for verb in ("GET", "PUT", "DELETE")} <= paths, path


@pytest.fixture
def home(build: Build, database_url: str) -> House:
    """A house without a worker: the test runs once on each kind of database."""
    return build(REPLYX_DATABASE__URL=database_url)


def test_things_are_created_read_changed_listed_and_deleted(home: House) -> None:
    for path, (make, change) in _RESOURCES.items():
        api, assistant_id = home.api(home.admin), home.assistant(home.admin)["id"]
        made = make(api, assistant_id, "one")
        one = f"{path}/{made['id']}"

        assert _lasting(api.get(one)) == _lasting(made), path
        changed = api.put(one, change, expect=200)
        assert {name: changed[name] for name in change} == change, path
        untouched = made.keys() - change.keys() - _PASSING - {"disabled_reason"}
        assert {name: changed[name] for name in untouched} == {name: made[name] for name in untouched}, path
        assert api.put(one, {}, expect=422 if path in ("/api/documents", "/api/api-keys") else 200)
        assert api.get(one) == changed, path
        assert changed in api.get(path), path
        refused = api.request("PUT", one, json={**change, "user_id": 1}, expect=422).json()["error"]
        assert refused["details"]["field"] == "user_id", path

        api.delete(one)
        for method, body in (("GET", None), ("PUT", change), ("DELETE", None)):
            assert api.request(method, one, json=body, expect=404).json()["error"]["code"] == "NOT_FOUND"


def _lasting(row: Json) -> Json:
    return {name: value for name, value in row.items() if name not in _PASSING}


def test_every_bare_list_is_had_page_by_page_and_says_how_many_there_are(home: House) -> None:
    bare = {one.path for one in ROUTES if getattr(one.answer, "__origin__", None) is list and not one.media}
    # Gaps and files come of what customers ask and send.
    assert bare == {*_RESOURCES, "/api/knowledge/gaps", "/api/dialogs/{id:int}/attachments"}
    api, assistant_id = home.api(home.admin), home.assistant(home.admin)["id"]
    for path, (make, _) in _RESOURCES.items():
        for number in range(3):
            make(api, assistant_id, f"n{number}")
        whole = api.request("GET", path)
        total, rows = int(whole.headers["X-Total-Count"]), whole.json()
        assert total == len(rows) >= 3, path

        page = api.request("GET", f"{path}?limit=2&offset=1")

        assert page.json() == rows[1:3], path
        assert page.headers["X-Total-Count"] == str(total), path
        assert api.get(f"{path}?offset={total}") == [], path


def test_pages_out_of_range_are_refused_at_every_list(home: House) -> None:
    lists = [
        one for one in ROUTES
        if one.query is not None and {"limit", "offset"} <= one.query.model_fields.keys()
        and one.permission in (Permission.USER, Permission.DESK, Permission.ADMIN)
    ]  # fmt: skip
    api = home.api(home.admin)
    for endpoint in lists:
        url = re.sub(r"\{\w+(:\w+)?\}", "1", endpoint.path)
        for name, value in (
            ("limit", "0"), ("limit", "201"), ("limit", "-1"), ("limit", "x"), ("limit", ""), ("limit", "1.5"),
            ("offset", "-1"), ("offset", "x"), ("offset", str(2**63)),
        ):  # fmt: skip
            error = api.request("GET", f"{url}?assistant_id=1&{name}={value}", expect=422).json()["error"]
            assert (error["code"], error["details"]["field"]) == ("VALIDATION_ERROR", name), url
    assert len(lists) >= 13
