"""/api/balance: what a user has, and every movement of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from replyx.server.bodies import MONEY, Body, Page, Text
from replyx.server.endpoint import Call
from replyx.types import Json


class Statement(Page):
    type: Literal["debit", "credit"] | None = None


class TopUp(Body):
    #: Roubles. What is no amount of money has a code of its own, so the description alone says it.
    amount: Annotated[float, Field(json_schema_extra=MONEY)]
    payment_method: Annotated[Text, Field(max_length=40)] | None = None
    return_url: Annotated[Text, Field(max_length=1000)] | None = None


async def show(call: Call) -> Json:
    balance = await call.app.call(call.app.ledger.balance, call.user_id)
    return balance.as_json()


async def list_transactions(call: Call) -> Json:
    rows, total = await call.app.call(
        call.app.ledger.transactions,
        call.user_id,
        limit=call.query.limit,
        offset=call.query.offset,
        kind=call.query.type,
    )
    return {"transactions": [row.as_json(call.language) for row in rows], "total": total}


async def top_up(call: Call) -> Json:
    made = await call.app.call(
        call.app.top_ups.start,
        call.user_id,
        call.body.amount,
        method=call.body.payment_method,
        return_url=call.body.return_url,
        claim_id=call.claim_id,
        keep=lambda made: call.keep(made.as_json()),
    )
    return made.as_json()
