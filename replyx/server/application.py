"""The ASGI application: the registry's routes and the socket, inside the one envelope."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from replyx.app import App
from replyx.errors import ReplyXError
from replyx.server.context import RequestContext
from replyx.server.dispatch import starlette_routes
from replyx.server.errors import UnknownRoute, answer_error, error_response
from replyx.server.front import Front
from replyx.server.limits import Limits
from replyx.server.middleware import Envelope
from replyx.server.openapi import describe
from replyx.server.origins import Origins
from replyx.server.plugin_routes import endpoints_of
from replyx.server.routes import ROUTES, SOCKET_PATH
from replyx.server.sign_of_life import SignOfLife
from replyx.server.ws.endpoint import DialogSocket
from replyx.server.ws.hub import Hub


def make_application(app: App, origins: Origins) -> Starlette:
    """The application of a server that is reached at `origins`. Its hub starts and stops with the lifespan."""
    front = Front(app, origins, Limits(app.limiter, app.config), Hub(app), cache(partial(describe, ROUTES)))
    sign = SignOfLife(app, front.hub, origins.base_url)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        front.hub.start()
        sign.start()
        try:
            yield
        finally:
            await front.hub.stop()
            await sign.end()

    made = Starlette(
        routes=[
            *starlette_routes([*ROUTES, *endpoints_of(app.plugins)], front),
            WebSocketRoute(SOCKET_PATH, DialogSocket(front)),
        ],
        middleware=[Middleware(Envelope)],
        exception_handlers={ReplyXError: answer_error, HTTPException: answer_error},
        lifespan=lifespan,
    )
    # Redirects would be built from the Host header.
    made.router.redirect_slashes = False
    made.router.default = _nowhere
    return made


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """What no route has: for sockets an answer to the handshake in the form that HTTP has everywhere."""
    if scope["type"] == "websocket":
        context = RequestContext.of(scope["headers"])
        answer = error_response(UnknownRoute(), context.language)
        answer.headers.update(context.answer_headers())
        await answer(scope, receive, send)
    else:
        raise HTTPException(404)
