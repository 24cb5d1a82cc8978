"""uvicorn's socket protocol, with what ASGI lacks: cutting off a peer that takes nothing, writing without a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

_ABORT, _WRITE = "replyx.abort", "replyx.write"


class SocketProtocol(WebSocketsSansIOProtocol):
    """Offers `transport.abort` and `write_now` to the application as extensions of the scope."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        # A refused handshake has no scope.
        if hasattr(self, "scope"):
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions[_ABORT], extensions[_WRITE] = self.transport.abort, self.write_now

    def shutdown(self) -> None:
        """End the socket. One that is not open yet is broken off without a word: then a proxy asks the next server."""
        if self.handshake_complete or self.initial_response is not None:
            super().shutdown()
        else:
            self.stop_keepalive()
            self.transport.close()

    def send_500_response(self) -> None:
        # To whom it was broken off with nothing more is said.
        if not self.transport.is_closing():
            super().send_500_response()

    def write_now(self, text: str) -> bool:
        """Write a frame at once; False where it has to wait, or the peer is gone: then nothing was written.

        A task and the layers of ASGI for each frame cost more than the frame.
        """
        if not (self.handshake_complete and self.writable.is_set()):
            return False
        if self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        try:
            self.conn.send_text(text.encode())
        except InvalidState:
            return False
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True


def abort_of(scope: Scope) -> Callable[[], None] | None:
    """How to end the connection of `scope` without a word; None on another server than ours."""
    abort: Callable[[], None] | None = scope.get("extensions", {}).get(_ABORT)
    return abort


def writer_of(scope: Scope) -> Callable[[str], bool] | None:
    """How to write a frame of `scope` at once; None on another server than ours."""
    write: Callable[[str], bool] | None = scope.get("extensions", {}).get(_WRITE)
    return write
