"""/healthz, /readyz and /api/admin/system/health: is it alive, can it work, and how is it."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse, Response

from replyx.server.endpoint import Call
from replyx.server.health import Health
from replyx.types import Json


async def alive(call: Call) -> Json:
    return {"status": "ok"}


async def ready(call: Call) -> Response:
    """200 where it can do its work; 503 names the checks that failed."""
    checks = await asyncio.to_thread(Health(call.app).checks)
    is_ready = all(check.ok for check in checks if check.is_vital)
    body = {"status": "ready" if is_ready else "not_ready", "checks": [check.as_json() for check in checks]}
    return JSONResponse(body, status_code=200 if is_ready else 503)


async def show(call: Call) -> Json:
    return await call.app.call(Health(call.app).as_json)
