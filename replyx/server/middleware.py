"""The outermost layer of every HTTP request: its id, the headers of every answer, and the end of a crash."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from replyx.server.context import SCOPE_KEY, RequestContext
from replyx.server.errors import error_response

logger = logging.getLogger(__name__)


class Envelope:
    """Gives a request its context, and its answer the headers that follow from it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # No coroutine of its own around sockets: each would keep one for its whole life.
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        return self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = scope[SCOPE_KEY] = RequestContext.of(scope["headers"])
        is_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                _complete(MutableHeaders(scope=message), context)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            logger.debug("a client left before its answer", extra={"request_id": context.request_id})
        except Exception as error:
            logger.exception(
                "a request crashed",
                extra={"request_id": context.request_id, "method": scope["method"], "path": scope["path"]},
            )
            if is_started:
                raise
            await error_response(error, context.language)(scope, receive, send_with_headers)


def _complete(headers: MutableHeaders, context: RequestContext) -> None:
    for name, value in context.answer_headers().items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")
    headers.add_vary_header("Accept-Language, Authorization, Origin")
