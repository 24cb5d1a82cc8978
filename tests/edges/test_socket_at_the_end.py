"""A socket that is just being opened when the server ends: broken off, so that a proxy asks the next server."""

from __future__ import annotations

import socket
import threading

import uvicorn
from starlette.types import Receive, Scope, Send

from replyx.server.ws.protocol import SocketProtocol

_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_a_handshake_that_is_not_answered_yet_is_broken_off_without_a_word() -> None:
    asked = threading.Event()

    async def app(scope: Scope, receive: Receive, _: Send) -> None:
        """Never accepts: as one that still waits for the database."""
        await receive()
        asked.set()
        await receive()

    listening = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(app, ws=SocketProtocol, lifespan="off", log_config=None, timeout_graceful_shutdown=60)
    server = uvicorn.Server(settings)
    running = threading.Thread(target=server.run, args=([listening],))
    running.start()
    with socket.create_connection(listening.getsockname(), 60) as peer:
        peer.sendall(_HANDSHAKE)
        assert asked.wait(60)
        server.should_exit = True
        answer = peer.recv(1000)
    running.join(60)
    listening.close()

    assert answer == b""
    assert not running.is_alive()
