"""The frame of fake payment providers: HTTP on the loopback, requests that are remembered, scripted failures."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from replyx.types import Json

#: What a fake answers: a status and a JSON object.
Answer = tuple[int, Json]


@dataclass(frozen=True)
class ProviderRequest:
    """What a client sent. `body` is the JSON object, or the form as a flat object; `user` and `password` are Basic."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    user: str
    password: str
    body: Json


class PaymentServer:
    """A provider's API. Subclasses answer requests; a request under a known idempotency key gets its first answer."""

    #: The header that names a request, in lower case.
    key_header = ""

    def __init__(self) -> None:
        self.requests: list[ProviderRequest] = []
        #: Called in place of the API while it is set: `lambda: (500, {})` is a provider that is down.
        self.trouble: Callable[[], Answer] | None = None
        #: Called when something was made and its maker is not told of it yet.
        self.made: Callable[[], object] | None = None
        self._by_key: dict[str, tuple[Json, Answer]] = {}
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The server's own address."""
        if self._server is None:
            raise RuntimeError("the fake provider does not run")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._server = _Threads(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="payments", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)
            self._server = None

    def answer(self, request: ProviderRequest) -> Answer:
        """The API itself; called with the lock held."""
        raise NotImplementedError

    def take(self, request: ProviderRequest) -> Answer:
        """One request, from the idempotency key to the answer."""
        with self._lock:
            self.requests.append(request)
            if self.trouble is not None:
                return self.trouble()
            key = request.headers.get(self.key_header, "")
            if not key or request.method != "POST":
                return self.answer(request)
            if key not in self._by_key:
                self._by_key[key] = request.body, self.answer(request)
                if self.made is not None:
                    self.made()
            body, answer = self._by_key[key]
            return answer if body == request.body else (400, {"error": {"code": "idempotency_key_in_use"}})


class _Threads(ThreadingHTTPServer):
    daemon_threads = True


def _handler_of(fake: PaymentServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Says nothing: tests look at `requests`."""

        def _respond(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, body = fake.take(_request_of(self, raw))
            sent = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            # A client that is gone, as a test wants it, is no trouble of ours.
            with suppress(ConnectionError):
                self.wfile.write(sent)

    return Handler


def _request_of(handler: BaseHTTPRequestHandler, raw: bytes) -> ProviderRequest:
    headers = {name.lower(): value for name, value in handler.headers.items()}
    parts = urlsplit(handler.path)
    user, _, password = _basic(headers.get("authorization", "")).partition(":")
    is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    body: Json = dict(parse_qsl(raw.decode())) if is_form else (json.loads(raw) if raw else {})
    return ProviderRequest(handler.command, parts.path, dict(parse_qsl(parts.query)), headers, user, password, body)


def _basic(header: str) -> str:
    scheme, _, value = header.partition(" ")
    return base64.b64decode(value).decode() if scheme == "Basic" else ""
