"""Servers that must never be called, and one that sends callers to them: what a guard of outgoing calls is tried on."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Trap:
    """Counts connections, of whatever kind, to one address."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self.hits = 0
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                self.hits += 1
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
                caller.close()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@contextmanager
def trap(host: str = "127.0.0.1") -> Iterator[Trap]:
    """A trap for the length of the block."""
    made = Trap(host)
    try:
        yield made
    finally:
        made.close()


#: Method and path → status, headers, body in pieces.
Answers = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A web site on loopback whose every request is answered by a function; `seen` holds method and path."""

    def __init__(self, answer: Answers, host: str = "127.0.0.1") -> None:
        self.seen: list[tuple[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.seen.append((self.command, self.path))
                with suppress(OSError):
                    answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def site(answer: Answers, host: str = "127.0.0.1") -> Iterator[Site]:
    """A site for the length of the block."""
    made = Site(answer, host)
    try:
        yield made
    finally:
        made.close()


def reply(
    handler: BaseHTTPRequestHandler, body: bytes = b"", status: int = 200, headers: dict[str, str] | None = None
) -> None:
    """Answer with a whole body."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
