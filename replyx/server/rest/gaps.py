"""/api/knowledge/gaps: what customers asked in vain, and approving what an operator answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from replyx.dialogs.gaps import MOST_GAPS
from replyx.server.bodies import Body, Id, Page, Text
from replyx.server.endpoint import Call
from replyx.types import Json

Days = Annotated[int, Field(ge=1, le=3650)]


class GapList(Page):
    assistant_id: Id
    days: Days = 30


class Solution(Body):
    assistant_id: Id
    gap: Id
    answer: Text | None = None


async def list_all(call: Call) -> list[Json]:
    def look() -> list[Json]:
        assistant = call.app.assistants.get(call.actor, call.query.assistant_id)
        return [gap.as_json() for gap in call.page_of(call.app.gaps.report(assistant, call.query.days, MOST_GAPS))]

    return await call.app.call(look)


async def solve(call: Call) -> Json:
    def add() -> Json:
        assistant = call.app.assistants.get(call.actor, call.body.assistant_id)
        answer = (call.body.answer or "").strip() or None
        return call.app.gaps.solve(call.actor, assistant, call.body.gap, answer).as_json()

    return await call.app.call(add)
