"""/api/balance: what a user has, and every movement of it."""

from __future__ import annotations

from typing import Literal

from replyx.server.bodies import Page
from replyx.server.endpoint import Call
from replyx.types import Json


class Statement(Page):
    type: Literal["debit", "credit"] | None = None


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
