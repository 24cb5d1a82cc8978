"""Parts of the API's description that all routes share: errors, headers, security, and examples made whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from replyx.errors import ReplyXError
from replyx.server.errors import BodyTooLarge
from replyx.types import Json

SCHEMAS: Json = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "additionalProperties": False,
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "details"],
                "additionalProperties": False,
                "properties": {
                    "code": {"type": "string", "pattern": "^[A-Z_]+$"},
                    "message": {"type": "string"},
                    "details": {"type": "object"},
                },
            }
        },
    }
}

SECURITY: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's access_token"},
    "visitor": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A visitor's visitor_token"},
    "site": {"type": "apiKey", "in": "header", "name": "X-Site-Token", "description": "An assistant's site_token"},
    "api_key": {"type": "http", "scheme": "bearer", "description": "A key of POST /api/api-keys"},
}

_COUNT: Json = {"type": "integer", "minimum": 0}

HEADERS: Json = {
    "X-Request-ID": {"description": "Names the request in the log", "required": True, "schema": {"type": "string"}},
    "X-RateLimit-Limit": {"description": "Requests in a window", "schema": _COUNT},
    "X-RateLimit-Remaining": {"description": "How many of them are left", "schema": _COUNT},
    "X-RateLimit-Reset": {"description": "When the window ends, seconds since 1970", "schema": _COUNT},
    "X-Total-Count": {"description": "How many there are in all", "required": True, "schema": _COUNT},
    "Retry-After": {"description": "Seconds to wait", "schema": _COUNT},
}

#: The contract's own example of an error.
EXAMPLES: Json = {
    "error": {
        "value": {
            "error": {
                "code": "VALIDATION_ERROR",
                "message": "Некорректные данные",
                "details": {"field": "email", "issue": "Неверный формат email"},
            }
        }
    }
}

#: What a field is shown as where the contract's example does not have it.
_SAMPLES: Json = {"string": "", "integer": 1, "number": 0.0, "boolean": False, "array": [], "object": {}}


def error_responses() -> Json:
    """One description for each status, with the codes that it can have."""
    codes: dict[int, set[str]] = {}
    for error in _kinds(ReplyXError):
        codes.setdefault(error.status, set()).add(error.code)
    codes.setdefault(BodyTooLarge.status, set()).add(BodyTooLarge.code)
    return {str(status): _error(status, sorted(found)) for status, found in sorted(codes.items())}


def completed(example: Any, schema: Json, schemas: Json) -> Any:
    """The contract's example with what is answered beyond it."""
    found = _resolved(schema, schemas)
    if isinstance(example, list):
        return [completed(row, found.get("items", {}), schemas) for row in example]
    if not isinstance(example, dict):
        return example
    fields = found.get("properties", {})
    own = {name: completed(value, fields.get(name, {}), schemas) for name, value in example.items()}
    more = {name: _sample(fields[name], schemas) for name in found.get("required", ()) if name not in example}
    return {**own, **more}


def _error(status: int, codes: list[str]) -> Json:
    content: Json = {"schema": {"$ref": "#/components/schemas/Error"}}
    if status == 422:
        content["examples"] = {"contract": {"$ref": "#/components/examples/error"}}
    names = ["X-Request-ID", *(["Retry-After"] if status in (409, 429, 503) else [])]
    return {
        "description": ", ".join(codes),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {"application/json": content},
    }


def _kinds(kind: type[ReplyXError]) -> Iterator[type[ReplyXError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _resolved(schema: Json, schemas: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Json = schemas[name] if name else schema
    return found


def _sample(schema: Json, schemas: Json) -> Any:
    found = _resolved(schema, schemas)
    if "anyOf" in found:
        return None
    if "enum" in found or "const" in found:
        return found.get("const", found.get("enum", [None])[0])
    if found["type"] == "object" and "properties" in found:
        return completed({}, found, schemas)
    return _SAMPLES[found["type"]]
