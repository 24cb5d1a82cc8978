"""uvicorn's HTTP protocol: bounds of a request's head, the contract's form of no HTTP, an end that loses no request."""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from replyx.errors import BadRequest
from replyx.server.context import RequestContext
from replyx.server.errors import error_response
from replyx.server.ws.protocol import SocketProtocol

#: Bytes of a request line and headers; browsers and proxies stay far below.
MOST_HEAD_BYTES = 65_536

#: Seconds from the first byte of a connection or a request to the end of its head.
HEAD_SECONDS = 30.0

#: Seconds that an accepted connection has for its first request, or for one that has begun, once the server ends. And
#: those that an idle one has for its next: a proxy that keeps it may have sent a request that nobody may send twice.
LAST_CALL_SECONDS, NEXT_CALL_SECONDS = 2.0, 0.5


_NO_HTTP = ("Запрос не разобрать: это не HTTP", "The request cannot be read: it is no HTTP")


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends connections whose head is endless or never comes, and none that is about to ask when the server ends."""

    _head_bytes = 0
    _in_head = True
    #: Whether the data at hand is no longer, or no longer only, a head.
    _head_has_ended = False
    _deadline: asyncio.TimerHandle | None = None
    #: Whether a request has come over this connection, and whether the server ends.
    _has_asked = _is_last_call = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head and self._deadline is None:
            self._await_head()
        self._head_has_ended = not self._in_head
        super().data_received(data)
        # One read may bring the end of a head, a whole body and the beginning of what comes next.
        if not self._head_has_ended and self.parser is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._in_head, self._head_has_ended, self._head_bytes, self._has_asked = False, True, 0, True
        super().on_headers_complete()
        if self._is_last_call and self.cycle is not None:
            # Whoever keeps connections takes another one for what comes next.
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # What comes next on this connection is another head; until its first byte the keep-alive timer watches.
        self._in_head = True

    def send_400_response(self, msg: str) -> None:
        # There is no request, so nobody knows its language.
        answer = error_response(BadRequest(_NO_HTTP[0], _NO_HTTP[1]), "ru")
        headers = {**RequestContext.of(()).answer_headers(), "Connection": "close", "Cache-Control": "no-store"}
        lines = [b"%s: %s" % row for row in answer.raw_headers]
        lines += [f"{name}: {value}".encode() for name, value in headers.items()]
        self.transport.write(b"\r\n".join([b"HTTP/1.1 400 Bad Request", *lines, b"", bytes(answer.body)]))
        self.transport.close()

    def shutdown(self) -> None:
        self._is_last_call = True
        if self._has_asked and self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
            return
        # A head that has begun is no idle connection's.
        seconds = NEXT_CALL_SECONDS if self._has_asked and self._deadline is None else LAST_CALL_SECONDS
        self.loop.call_later(seconds, self._end_of_last_call)

    def _end_of_last_call(self) -> None:
        if self.transport.is_closing():
            return
        now = cast("SocketProtocol | BoundedHttpProtocol", self.transport.get_protocol())
        if now is not self:
            # It has become a socket, which nobody else has told that the server ends.
            now.shutdown()
            return
        super().shutdown()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()
