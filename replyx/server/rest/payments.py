"""/api/payments: what payment providers call, and the administrator's word on invoices."""

from __future__ import annotations

from replyx.server.bodies import read_raw
from replyx.server.endpoint import Call
from replyx.types import Json


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
