"""/api/api-keys: the tenant's keys to the OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from replyx.server.bodies import Body, Text
from replyx.server.endpoint import Call
from replyx.types import Json


class ApiKeyChanges(Body):
    name: Annotated[Text, Field(min_length=1, max_length=100)]


class NewApiKey(ApiKeyChanges):
    pass


async def list_all(call: Call) -> list[Json]:
    rows = await call.app.call(call.app.api_keys.list_for, call.actor)
    return [row.as_json() for row in call.page_of(rows)]


async def create(call: Call) -> Json:
    view, key = await call.app.call(call.app.api_keys.create, call.actor, call.body.name)
    # The only time that it is seen whole.
    return {**view.as_json(), "key": key}


async def show(call: Call) -> Json:
    found = await call.app.call(call.app.api_keys.get, call.actor, call.id)
    return found.as_json()


async def change(call: Call) -> Json:
    changed = await call.app.call(call.app.api_keys.rename, call.actor, call.id, call.body.name)
    return changed.as_json()


async def revoke(call: Call) -> None:
    await call.app.call(call.app.api_keys.revoke, call.actor, call.id)
