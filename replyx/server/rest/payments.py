"""Payments: lists of them, what payment providers call, and the administrator's word on invoices."""

from __future__ import annotations

from typing import Literal

from replyx.server.bodies import Id, Page, read_raw
from replyx.server.endpoint import Call
from replyx.types import Json


class PaymentList(Page):
    status: Literal["pending", "succeeded", "refunding", "refunded", "canceled", "failed"] | None = None


class AllPayments(PaymentList):
    user_id: Id | None = None


async def list_own(call: Call) -> Json:
    return await _list(call, call.user_id)


async def list_all(call: Call) -> Json:
    return await _list(call, call.query.user_id)


async def _list(call: Call, user_id: int | None) -> Json:
    query = call.query
    rows, total = await call.app.call(
        call.app.top_ups.list, user_id=user_id, status=query.status, limit=query.limit, offset=query.offset
    )
    return {"payments": [row.record_json() for row in rows], "total": total}


async def take_callback(call: Call) -> Json:
    body = await read_raw(call.request, call.app.config.server.max_body_bytes)
    client = call.request.scope.get("client")
    provider = str(call.request.path_params["provider"])
    headers = dict(call.request.headers)
    await call.app.call(call.app.top_ups.callback, provider, headers, body, client[0] if client else "")
    return {"received": True}


async def confirm(call: Call) -> Json:
    confirmed = await call.app.call(call.app.top_ups.confirm, call.id)
    return confirmed.record_json()
