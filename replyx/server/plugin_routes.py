"""Routes of plugins as endpoints of ours: the same gate, the same limits, the same errors."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response

from replyx.plugins.hooks import PluginAnswer, PluginRequest, PluginRoute
from replyx.plugins.host import Host
from replyx.server.bodies import read_raw
from replyx.server.endpoint import Call, Endpoint, Permission

_PERMISSIONS = {"anyone": Permission.ANONYMOUS, "user": Permission.USER, "admin": Permission.ADMIN}


def endpoints_of(plugins: Host) -> list[Endpoint]:
    """`/api/plugins/NAME/PATH` for every route that a plugin offers."""
    return [
        Endpoint(
            route.method,
            f"/api/plugins/{name}/{route.path}",
            _PERMISSIONS[route.permission],
            partial(_answer, name, route),
            route.summary,
            in_schema=False,
        )
        for name, route in plugins.routes
    ]


async def _answer(plugin: str, route: PluginRoute, call: Call) -> Response:
    body = await read_raw(call.request, call.app.config.server.max_body_bytes)
    client = call.request.scope.get("client")
    request = PluginRequest(
        method=call.request.method,
        headers=dict(call.request.headers),
        query=dict(call.request.query_params),
        body=body,
        peer_ip=client[0] if client else "",
        user_id=call.actor.user_id,
        language=call.language,
    )
    return await call.app.call(call.app.plugins.call, plugin, lambda: _rendered(route.handler(request)))


def _rendered(answer: PluginAnswer) -> Response:
    """Made where a plugin's mistake in it is the plugin's failure."""
    kind: Any = JSONResponse if answer.content_type == "application/json" else Response
    made: Response = kind(
        answer.body, status_code=answer.status, headers=answer.headers, media_type=answer.content_type
    )
    return made
