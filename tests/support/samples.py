"""Bodies and slots that are made from the routes' own models, so that a new route is tried without being named."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from replyx.server.endpoint import Endpoint
from tests.support.http import Json

#: Names of what refers to a thing by its id, key or token.
_REFERENCE = re.compile(r"(^|_)(id|key|token)$")


def sample_body(model: type[BaseModel] | None, *, full: bool = False) -> Json:
    """The least body that `model` takes, or one with every field."""
    if model is None:
        return {}
    schema = model.model_json_schema()
    names = schema["properties"] if full else schema.get("required", ())
    return {name: sample_value(schema["properties"][name]) for name in names}


def sample_value(schema: Json) -> Any:
    """A value that a field's schema takes."""
    if "anyOf" in schema:
        return sample_value(next(one for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kinds: dict[str, Any] = {
        "integer": 1,
        "number": 1.5,
        "boolean": True,
        "array": ["x"],
        "object": {"api": 1.5},
        "string": "x",
    }
    return kinds[schema["type"]]


def fields_of(model: type[BaseModel] | None) -> Json:
    """Field name → its JSON schema."""
    fields: Json = model.model_json_schema()["properties"] if model else {}
    return fields


def path_slots(endpoint: Endpoint) -> list[str]:
    """Names of the parameters in a route's path."""
    return re.findall(r"\{(\w+)(?::\w+)?\}", endpoint.path)


def reference_slots(endpoint: Endpoint) -> set[str]:
    """Every slot of a route that may name a thing: `path:id`, `query:assistant_id`, `body:operator_id`."""
    found = {f"path:{name}" for name in path_slots(endpoint)}
    for where, model in (("query", endpoint.query), ("body", endpoint.body)):
        found |= {f"{where}:{name}" for name in fields_of(model) if _REFERENCE.search(name)}
    return found


def url_of(endpoint: Endpoint, value: object) -> str:
    """The route's URL with `value` in its slot."""
    return re.sub(r"\{\w+(:\w+)?\}", str(value), endpoint.path)
