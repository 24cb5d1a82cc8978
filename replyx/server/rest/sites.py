"""/api/knowledge/sites: web sites that an assistant reads and keeps up with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from replyx.server.bodies import Body, Id, Page, Text
from replyx.server.endpoint import Call
from replyx.types import Json


class SiteList(Page):
    assistant_id: Id | None = None


class SiteChanges(Body):
    max_depth: Annotated[int, Field(ge=0, le=20)] = 3
    max_pages: Annotated[int, Field(ge=1, le=5000)] = 200
    every_hours: Annotated[int, Field(ge=0, le=8760)] = 24


class NewSite(SiteChanges):
    assistant_id: Id
    url: Annotated[Text, Field(min_length=1, max_length=2000)]


async def list_all(call: Call) -> list[Json]:
    rows, total = await call.app.call(call.app.knowledge.sites.list_for, call.actor, **call.query.model_dump())
    call.count_items(total)
    return [row.as_json(call.language) for row in rows]


async def create(call: Call) -> Json:
    made = await call.app.call(call.app.knowledge.sites.add, call.actor, **call.body.model_dump())
    return made.as_json(call.language)


async def show(call: Call) -> Json:
    site = await call.app.call(call.app.knowledge.sites.get, call.actor, call.id)
    return site.as_json(call.language)


async def change(call: Call) -> Json:
    changes = call.body.model_dump(exclude_unset=True)
    site = await call.app.call(call.app.knowledge.sites.update, call.actor, call.id, **changes)
    return site.as_json(call.language)


async def visit(call: Call) -> Json:
    site = await call.app.call(call.app.knowledge.sites.visit_soon, call.actor, call.id)
    return site.as_json(call.language)


async def delete(call: Call) -> None:
    await call.app.call(call.app.knowledge.sites.delete, call.actor, call.id)
