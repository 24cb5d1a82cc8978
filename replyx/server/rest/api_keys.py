"""/api/api-keys: the tenant's keys to the OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from replyx.server.bodies import Body, Text
from replyx.server.endpoint import Call
from replyx.types import Json


class NewApiKey(Body):
    name: Annotated[Text, Field(min_length=1, max_length=100)]


async def list_all(call: Call) -> list[Json]:
    rows = await call.app.call(call.app.api_keys.list_for, call.actor)
    call.count_items(len(rows))
    return [row.as_json() for row in rows]


async def create(call: Call) -> Json:
    view, key = await call.app.call(call.app.api_keys.create, call.actor, call.body.name)
    # The only time that it is seen whole.
    return {**view.as_json(), "key": key}


async def revoke(call: Call) -> None:
    await call.app.call(call.app.api_keys.revoke, call.actor, call.id)
