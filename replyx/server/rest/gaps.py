"""/api/knowledge/gaps: what customers asked in vain, and approving what an operator answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from replyx.server.bodies import Body, Id, Query, Text
from replyx.server.endpoint import Call
from replyx.types import Json

Days = Annotated[int, Field(ge=1, le=3650)]


class GapList(Query):
    assistant_id: Id
    days: Days = 30
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Solution(Body):
    assistant_id: Id
    gap: Id
    answer: Text | None = None


async def list_all(call: Call) -> list[Json]:
    def look() -> list[Json]:
        assistant = call.app.assistants.get(call.actor, call.query.assistant_id)
        return [gap.as_json() for gap in call.app.gaps.report(assistant, call.query.days, call.query.limit)]

    gaps = await call.app.call(look)
    call.count_items(len(gaps))
    return gaps


async def solve(call: Call) -> Json:
    def add() -> Json:
        assistant = call.app.assistants.get(call.actor, call.body.assistant_id)
        answer = (call.body.answer or "").strip() or None
        return call.app.gaps.solve(call.actor, assistant, call.body.gap, answer).as_json()

    return await call.app.call(add)
