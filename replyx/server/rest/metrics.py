"""/metrics: for a Prometheus on the same machine, or one that has the token."""

from __future__ import annotations

import hmac

from starlette.responses import Response

from replyx.errors import NotAuthenticated
from replyx.server.endpoint import Call
from replyx.server.metrics import render

#: What a proxy adds; through one, everybody would seem to be on this machine.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


async def show(call: Call) -> Response:
    """The page. With `metrics.token` set it wants that as a bearer token; else it is for this machine alone."""
    if not _may_read(call):
        raise NotAuthenticated()
    page = await call.app.call(render, call.app)
    return Response(page, media_type="text/plain; version=1.0.0; charset=utf-8")


def _may_read(call: Call) -> bool:
    token, headers = call.app.config.metrics.token, call.request.headers
    if token:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), token.encode())
    peer = call.request.client.host if call.request.client else ""
    return peer in ("127.0.0.1", "::1") and not any(name in headers for name in _FORWARDED)
