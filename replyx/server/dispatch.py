"""From a registered URL to its handler: the gate, the query, the body, the handler, the answer; in this order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from replyx.errors import NotFound
from replyx.events.audit import begin
from replyx.server.attempts import attempt_of, digest_of
from replyx.server.bodies import MOST_ID, read_body, read_query
from replyx.server.endpoint import Call, Endpoint
from replyx.server.front import Front
from replyx.server.gate import enter
from replyx.server.limits import Limit, address_of, peer_of
from replyx.server.origins import header

#: What a widget on another site may send.
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, X-Site-Token, Accept-Language",
    "Access-Control-Max-Age": "600",
}


def starlette_routes(endpoints: Iterable[Endpoint], front: Front) -> Iterator[Route]:
    """One Starlette route a URL, so that a wrong method is told which ones there are."""
    ordered = sorted(endpoints, key=lambda endpoint: endpoint.path)
    for path, group in groupby(ordered, key=lambda endpoint: endpoint.path):
        by_method = {endpoint.method: endpoint for endpoint in group}
        methods = [*by_method, *(["OPTIONS"] if any(e.is_widget for e in by_method.values()) else [])]
        yield Route(path, _endpoint_of(by_method, front), methods=methods, name=path)


def _endpoint_of(by_method: dict[str, Endpoint], front: Front) -> Any:
    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return await _preflight(request, front)
        return await _handle(by_method["GET" if request.method == "HEAD" else request.method], front, request)

    return endpoint


async def _handle(endpoint: Endpoint, front: Front, request: Request) -> Response:
    call = Call(front, request, caller=begin(address_of(request.scope.get("client"))))
    if endpoint.limit is not Limit.NONE:
        await front.app.call(enter, call, endpoint)
    if request.path_params.get("id", 0) > MOST_ID:
        raise NotFound
    if endpoint.query is not None:
        call.query = read_query(request.query_params, endpoint.query)
    if endpoint.body is not None:
        call.body = await read_body(request, endpoint.body, front.app.config.server.max_body_bytes)
    if endpoint.idempotent:
        call.attempt = attempt_of(front.app, request, call.actor, endpoint.path, endpoint.status)
    if call.attempt is None:
        return await _answer(endpoint, call)
    if call.body is not None:
        call.attempt.digest = digest_of(call.body.model_dump_json(exclude_unset=True).encode())
    return await call.attempt.run(lambda: _answer(endpoint, call))


async def _answer(endpoint: Endpoint, call: Call) -> Response:
    answer = await endpoint.handler(call)
    if isinstance(answer, Response):
        return answer
    if answer is None:
        return Response(status_code=endpoint.status)
    return JSONResponse(answer, status_code=endpoint.status)


async def _preflight(request: Request, front: Front) -> Response:
    """A browser asks whether another site's page may send its request. What comes then is checked for itself."""
    await front.app.call(front.limits.count, Limit.API, peer_of(request.scope.get("client")))
    origin = header(request.scope, b"origin") or ""
    if not origin.startswith(("https://", "http://")):
        return Response(status_code=403)
    return Response(status_code=204, headers={"Access-Control-Allow-Origin": origin, **_PREFLIGHT})
