"""/openapi.json: the API's description, from the same registry and models that serve it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter

from replyx import __version__
from replyx.errors import NotFound
from replyx.server.admin_answers import Readiness
from replyx.server.described import EXAMPLES, HEADERS, SCHEMAS, SECURITY, completed, error_responses
from replyx.server.endpoint import Call, Endpoint, Permission
from replyx.server.examples import example_of
from replyx.server.limits import Limit
from replyx.types import Json

_REFERENCES = "#/components/schemas/{model}"

_SCHEMES: dict[Permission, list[Json]] = {
    Permission.ANONYMOUS: [],
    Permission.DESK: [{"bearer": []}],
    Permission.USER: [{"bearer": []}],
    Permission.ADMIN: [{"bearer": []}],
    Permission.VISITOR: [{"visitor": []}],
    Permission.SITE: [{"site": []}],
    Permission.API_KEY: [{"api_key": []}],
}

_ROLES = {
    Permission.DESK: "For owners, their operators and administrators.",
    Permission.USER: "For owners and administrators.",
    Permission.ADMIN: "For administrators.",
    Permission.VISITOR: "For a widget's visitor; `Origin` must be on the assistant's list.",
    Permission.API_KEY: "For programs with an API key of the tenant's.",
    Permission.SITE: "For a page with the assistant's site token; `Origin` must be on the assistant's list.",
}

_UPLOAD: Json = {
    "type": "object",
    "required": ["file", "assistant_id"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "assistant_id": {"type": "integer", "minimum": 1},
        "replaces": {"type": "integer", "minimum": 1},
    },
    "additionalProperties": False,
}


async def show_openapi(call: Call) -> Json:
    if not call.app.config.server.docs:
        raise NotFound
    return call.front.description()


def describe(endpoints: Iterable[Endpoint]) -> Json:
    """The OpenAPI document of `endpoints`."""
    shown = [endpoint for endpoint in endpoints if endpoint.in_schema]
    schemas: Json = dict(SCHEMAS)
    paths: dict[str, Json] = {}
    for endpoint in shown:
        paths.setdefault(_plain(endpoint.path), {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    for endpoint in shown:
        if endpoint.status == 201:
            responses = paths[_plain(endpoint.path)][endpoint.method.lower()]["responses"]
            if links := _links(endpoint, shown):
                responses["201"]["links"] = links
    return {
        "openapi": "3.1.0",
        "info": {"title": "ReplyX", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": SECURITY,
            "headers": HEADERS,
            "responses": error_responses(),
            "examples": EXAMPLES,
        },
    }


def _operation(endpoint: Endpoint, schemas: Json) -> Json:
    operation: Json = {
        "summary": endpoint.summary,
        "operationId": _name(endpoint),
        "tags": [_tag(endpoint.path)],
        "security": _SCHEMES[endpoint.permission],
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint.query), *_headers(endpoint)],
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.permission in _ROLES:
        operation["description"] = _ROLES[endpoint.permission]
    if endpoint.body is not None:
        is_required = any(field.is_required() for field in endpoint.body.model_fields.values())
        content: Json = {"schema": _reference(endpoint.body, schemas, "validation")}
        example = example_of(endpoint.method, endpoint.path, "request")
        if example is not None:
            content["examples"] = {"contract": {"value": example}}
        operation["requestBody"] = {"required": is_required, "content": {"application/json": content}}
    if endpoint.limit is Limit.UPLOAD:
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": _UPLOAD}}}
    return operation


def _name(endpoint: Endpoint) -> str:
    module: str = endpoint.handler.__module__
    return f"{module.rpartition('.')[2]}_{endpoint.handler.__name__}"


def _tag(path: str) -> str:
    parts = path.split("/")
    return parts[2] if parts[1] == "api" else "own"


def _plain(path: str) -> str:
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1} if kind == "int" else {"type": "string", "minLength": 1},
        }
        for name, kind in re.findall(r"\{(\w+):?(\w*)\}", path)
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[Json]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(row)}
        for name, row in schema["properties"].items()
    ]


def _without_null(schema: Json) -> Json:
    """A query has no null: what may be null may be left out."""
    options = [row for row in schema.get("anyOf", ()) if row.get("type") != "null"]
    return options[0] if len(options) == 1 else schema


def _headers(endpoint: Endpoint) -> list[Json]:
    if not endpoint.idempotent:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same key and body again within 24 hours get the first answer; nothing is done twice.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ]


def _responses(endpoint: Endpoint, schemas: Json) -> Json:
    success: Json = {"description": "Success", "headers": _answer_headers(endpoint)}
    content: Json = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in endpoint.media}
    if endpoint.answer is not None:
        content["application/json"] = _content(endpoint, schemas)
    if content:
        success["content"] = content
    responses = {str(endpoint.status): success}
    for status in _statuses(endpoint):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    if endpoint.answer is Readiness:
        # Also where it is not ready it says how each part is.
        responses["503"] = {**success, "description": "Not ready"}
    return responses


def _answer_headers(endpoint: Endpoint) -> Json:
    names = ["X-Request-ID"]
    if endpoint.limit is not Limit.NONE:
        names += ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
    if getattr(endpoint.answer, "__origin__", None) is list and not endpoint.media:
        names.append("X-Total-Count")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(endpoint: Endpoint, schemas: Json) -> Json:
    schema = _reference(endpoint.answer, schemas, "serialization")
    example = example_of(endpoint.method, endpoint.path, "response")
    if example is None:
        return {"schema": schema}
    return {"schema": schema, "examples": {"contract": {"value": completed(example, schema, schemas)}}}


def _statuses(endpoint: Endpoint) -> list[int]:
    """Statuses of refusals: what the fields of the route imply, and what it names itself."""
    found = {500, *endpoint.errors}
    if endpoint.limit is not Limit.NONE:
        found |= {429, 503, 507}
    if endpoint.permission is not Permission.ANONYMOUS:
        found |= {401, 403}
    if "{" in endpoint.path:
        found |= {404}
    if endpoint.body is not None or endpoint.limit is Limit.UPLOAD:
        found |= {400, 413}
    if endpoint.body is not None or endpoint.query is not None or endpoint.limit is Limit.UPLOAD:
        found |= {422}
    if endpoint.limit is Limit.LOGIN:
        found |= {401}
    return sorted(found)


def _links(endpoint: Endpoint, endpoints: list[Endpoint]) -> Json:
    """From what was created to what can be done with it."""
    path = f"{endpoint.path.removesuffix('/upload')}/{{id:int}}"
    return {
        _name(other): {"operationId": _name(other), "parameters": {"path.id": "$response.body#/id"}}
        for other in endpoints
        if other.path == path or other.path.startswith(f"{path}/")
    }


def _reference(answer: Any, schemas: Json, mode: Any) -> Json:
    """The schema of a model or of a list of one; the models themselves go into `schemas`."""
    schema = TypeAdapter(answer).json_schema(ref_template=_REFERENCES, mode=mode)
    schemas.update(schema.pop("$defs", {}))
    if schema.get("type") == "array":
        return schema
    if mode == "validation":
        # What is left out of a request stays as it is, or gets a default that the services know.
        for field in schema["properties"].values():
            field.pop("default", None)
    schemas[answer.__name__] = schema
    return {"$ref": _REFERENCES.format(model=answer.__name__)}
