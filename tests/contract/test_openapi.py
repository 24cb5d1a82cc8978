"""The API's description: it is valid, it is the routes' own, and its examples are the contract's."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from replyx.server import admin_answers, answers
from replyx.server.endpoint import Endpoint
from replyx.server.openapi import describe
from replyx.server.routes import ROUTES
from tests.contract.shapes import differences, example, names
from tests.edges.conftest import Build
from tests.support.http import Json


@pytest.fixture(scope="module")
def document() -> Json:
    return describe(ROUTES)


def _operations(document: Json) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": operation
        for path, row in document["paths"].items()
        for method, operation in row.items()
    }


def _described() -> dict[str, Endpoint]:
    return {f"{r.method} {re.sub(r':[a-z]+}', '}', r.path)}": r for r in ROUTES if r.in_schema}


def _examples(document: Json) -> dict[str, tuple[Json, Any]]:
    """Every example with its schema, by the name of its file."""
    found: dict[str, tuple[Json, Any]] = {}
    for name, operation in _operations(document).items():
        method, path = name.split(" ")
        stem = f"{method.lower()}-{re.sub(r'[{}]', '', path.removeprefix('/api/')).replace('/', '-')}"
        kinds = {"request": operation.get("requestBody", {}), "response": _success(operation)}
        for kind, part in kinds.items():
            for content in part.get("content", {}).values():
                if "examples" in content:
                    value = content["examples"]["contract"]["value"]
                    found[f"{stem}.{kind}"] = (content["schema"], value)
    return found


def _success(operation: Json) -> Json:
    found: Json = next(row for status, row in operation["responses"].items() if status[0] == "2")
    return found


def test_the_description_is_a_valid_document(document: Json) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_routes_and_description_name_each_other(document: Json) -> None:
    operations = _operations(document)

    assert set(operations) == set(_described())
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)


def test_every_route_describes_its_answer_its_refusals_and_who_may_call(document: Json) -> None:
    for name, operation in _operations(document).items():
        route = _described()[name]
        statuses = {int(status) for status in operation["responses"]}
        assert (route.status == 204) == ("content" not in _success(operation)), name
        assert min(statuses) == route.status, name
        assert bool(operation["security"]) == (route.permission != "anonymous"), name
        assert not operation["security"] or {401, 403} <= statuses, name


def test_objects_have_no_fields_beside_those_that_are_described(document: Json) -> None:
    loose = {
        name
        for name, schema in document["components"]["schemas"].items()
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False
    }

    # The OpenAI-compatible API's requests have many fields that mean nothing here.
    theirs = {"ChatRequest", "ChatMessage", "TextPart", "StreamOptions"}
    assert loose == {"Event", "FreeObject"} | theirs


def test_no_answer_has_a_field_that_is_a_secret(document: Json) -> None:
    fields = {
        field
        for operation in _operations(document).values()
        for content in _success(operation).get("content", {}).values()
        for field in re.findall(r'"(\w+)": \{', json.dumps(_whole(content["schema"], document)))
    }

    assert not {field for field in fields if "password" in field or "secret_key" in field}


def test_examples_are_the_contracts_and_fit_their_schemas(document: Json) -> None:
    found = _examples(document)

    elsewhere = {name for name in names() if name.startswith("socket-")} | {"error"}
    assert set(found) == set(names()) - elsewhere
    for name, (schema, value) in found.items():
        OAS31Validator({**schema, "components": document["components"]}).validate(value)
        assert differences(example(name), value) == [], name
    assert document["components"]["examples"]["error"]["value"] == example("error")


def test_requests_and_answers_do_not_share_names(document: Json) -> None:
    requests = {route.body.__name__ for route in ROUTES if route.body is not None}
    both = {**vars(answers), **vars(admin_answers)}
    shown = {name for name, kind in both.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}

    assert requests & shown == set()


def test_the_page_loads_nothing_but_the_appliances_own_files(build: Build) -> None:
    page = build().api().request("GET", "/docs", expect=200)

    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert re.findall(r'(?:src|href)="(?!/)', page.text) == []


def test_the_page_and_the_document_are_switched_off_together(build: Build) -> None:
    without = build(REPLYX_SERVER__DOCS="false").api()

    for path in ("/docs", "/openapi.json"):
        without.request("GET", path, expect=404)


def _whole(schema: Any, document: Json) -> Any:
    """The schema with its references in place."""
    if isinstance(schema, list):
        return [_whole(row, document) for row in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    return {name: _whole(row, document) for name, row in schema.items()}
