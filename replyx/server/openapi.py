"""/openapi.json: the API's description, from the same registry and models that serve it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from replyx import __version__
from replyx.errors import NotFound
from replyx.server.endpoint import Call, Endpoint, Permission
from replyx.server.limits import Limit
from replyx.types import Json

_REFERENCES = "#/components/schemas/{model}"

_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}

_SECURITY: dict[Permission, list[Json]] = {
    Permission.ANONYMOUS: [],
    Permission.DESK: [{"bearer": []}],
    Permission.USER: [{"bearer": []}],
    Permission.ADMIN: [{"bearer": []}],
    Permission.VISITOR: [{"visitor": []}],
    Permission.SITE: [{"site": []}],
}

_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "visitor": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A widget's visitor_token"},
    "site": {"type": "apiKey", "in": "header", "name": "X-Site-Token"},
}


async def show_openapi(call: Call) -> Json:
    if not call.app.config.server.docs:
        raise NotFound
    return call.front.description()


def describe(endpoints: Iterable[Endpoint]) -> Json:
    """The OpenAPI document of `endpoints`."""
    schemas: Json = {"Error": _ERROR}
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        if endpoint.in_schema:
            path = re.sub(r"\{(\w+):\w+\}", r"{\1}", endpoint.path)
            paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, path, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ReplyX", "version": __version__},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def _operation(endpoint: Endpoint, path: str, schemas: Json) -> Json:
    operation: Json = {
        "summary": endpoint.summary,
        "operationId": f"{endpoint.handler.__module__.rpartition('.')[2]}_{endpoint.handler.__name__}",
        "security": _SECURITY[endpoint.permission],
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint.query)],
        "responses": _responses(endpoint),
    }
    if endpoint.body is not None:
        reference = _reference(endpoint.body, schemas)
        is_required = any(field.is_required() for field in endpoint.body.model_fields.values())
        operation["requestBody"] = {"required": is_required, "content": {"application/json": {"schema": reference}}}
    if endpoint.limit is Limit.UPLOAD:
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": _UPLOAD}}}
    return operation


_UPLOAD: Json = {
    "type": "object",
    "required": ["file", "assistant_id"],
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "assistant_id": {"type": "integer"},
    },
    "additionalProperties": False,
}


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1} if kind == "int" else {"type": "string"},
        }
        for name, kind in re.findall(r"\{(\w+):?(\w*)\}", path)
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[Json]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": row}
        for name, row in schema["properties"].items()
    ]


def _responses(endpoint: Endpoint) -> Json:
    success: Json = {"description": "Success"}
    if endpoint.status != 204:
        success["content"] = {"application/json": {"schema": {"type": ["object", "array"]}}}
    error = {
        "description": "Error",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return {str(endpoint.status): success, "default": error}


def _reference(model: type[BaseModel], schemas: Json) -> Json:
    schema: dict[str, Any] = model.model_json_schema(ref_template=_REFERENCES)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
    return {"$ref": _REFERENCES.format(model=model.__name__)}
