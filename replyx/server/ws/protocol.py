"""uvicorn's socket protocol, with the one thing that ASGI lacks: cutting off a peer that takes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

_EXTENSION = "replyx.abort"


class SocketProtocol(WebSocketsSansIOProtocol):
    """Offers `transport.abort` to the application as an extension of the scope."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        # A refused handshake has no scope.
        if hasattr(self, "scope"):
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions[_EXTENSION] = self.transport.abort


def abort_of(scope: Scope) -> Callable[[], None] | None:
    """How to end the connection of `scope` without a word; None on another server than ours."""
    abort: Callable[[], None] | None = scope.get("extensions", {}).get(_EXTENSION)
    return abort
