"""A customer of the API: JSON over HTTP, and frames over a socket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

Json = dict[str, Any]

#: Made once: each takes 24 ms of reading certificates, and there are thousands of clients in a run.
_TLS = httpx2.create_ssl_context()


class Api:
    """REST as one user. A status that was not expected fails the test and shows the answer."""

    def __init__(self, base_url: str, token: str | None = None, **headers: str) -> None:
        """`base_url` is what `replyx up` prints after `ready`; `token` is a bearer token."""
        self.base_url = base_url.rstrip("/")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.client = httpx2.Client(base_url=self.base_url, headers=headers, timeout=30, trust_env=False, verify=_TLS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()

    def request(self, method: str, path: str, expect: int | None = None, **arguments: Any) -> httpx2.Response:
        """Send a request; `expect` is the status that must come back, None: any success."""
        answer = self.client.request(method, path, **arguments)
        if answer.status_code != expect if expect else answer.is_error:
            pytest.fail(f"{method} {path}: {answer.status_code}, expected {expect or 'success'}: {answer.text[:1000]}")
        return answer

    def get(self, path: str, **arguments: Any) -> Any:
        """The JSON at `path`."""
        return self.request("GET", path, **arguments).json()

    def post(self, path: str, body: Json | None = None, **arguments: Any) -> Any:
        """Send a JSON body; returns the JSON of the answer."""
        return self.request("POST", path, json=body if body is not None else {}, **arguments).json()

    def put(self, path: str, body: Json, **arguments: Any) -> Any:
        return self.request("PUT", path, json=body, **arguments).json()

    def delete(self, path: str, expect: int = 204) -> None:
        self.request("DELETE", path, expect=expect)

    def upload(self, assistant_id: int, file: Path, name: str | None = None, expect: int = 201) -> Any:
        """Send `file` as a document of the assistant."""
        with file.open("rb") as content:
            return self.request(
                "POST",
                "/api/documents/upload",
                expect=expect,
                data={"assistant_id": str(assistant_id)},
                files={"file": (name or file.name, content)},
            ).json()

    def socket(self, path: str, **headers: str) -> Socket:
        """Open a socket at `path`, as in `/ws/dialogs/7?token=…`; `Origin` is a header."""
        return Socket(self.base_url.replace("http", "ws", 1) + path, headers)


def log_in(base_url: str, email: str, password: str) -> Api:
    """An `Api` that speaks as the user."""
    with Api(base_url) as anyone:
        token: str = anyone.post("/api/auth/login", {"email": email, "password": password})["access_token"]
    return Api(base_url, token)


#: A number that no test's dialog reaches: whoever asks for what came after it is told so, and nothing else happens.
_NOT_YET = 1_000_000_000


class Socket:
    """One socket: frames out, frames in, in order. Answers the server's `__ping__`."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        #: Every frame that came, oldest first.
        self.frames: list[Json] = []
        # Entered, as the library wants it; `close` is the other half.
        self._open = ExitStack()
        self.connection: ClientConnection = self._open.enter_context(
            connect(url, additional_headers=headers, compression=None, proxy=None, max_size=None)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def send(self, frame: Json | str) -> None:
        """Send an object as JSON, or a bare text."""
        self.connection.send(frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False))

    def let_in(self) -> Self:
        """Wait until the server has let the client in, from when on it hears everything, or has closed.

        The handshake is answered before the token is looked at, so an open socket need not hear anything yet.
        """
        with suppress(ConnectionClosed):
            self.send({"type": "resume", "last_seq": _NOT_YET})
            self.wait_for(lambda frame: frame["type"] == "resync")
            self.frames.clear()
        return self

    def next(self, seconds: float = 30) -> Json:
        """The next frame; fails the test after `seconds`. Raises ConnectionClosed where the server closed."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                text = self.connection.recv(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                pytest.fail(f"no frame in {seconds:g} s; before it: {self.frames[-5:]}", pytrace=False)
            if text == "__ping__":
                self.connection.send("__pong__")
                continue
            frame: Json = json.loads(text)
            self.frames.append(frame)
            return frame

    def wait_for(self, wanted: Callable[[Json], object], seconds: float = 30) -> Json:
        """The next frame that is `wanted`; frames before it are only kept."""
        deadline = time.monotonic() + seconds
        while True:
            frame = self.next(max(0.0, deadline - time.monotonic()))
            if wanted(frame):
                return frame

    def close_code(self, seconds: float = 60) -> int | None:
        """Wait until the server closes, and return its code; fails the test where it stays open."""
        deadline = time.monotonic() + seconds
        with suppress(ConnectionClosed):
            while True:
                self.next(max(0.0, deadline - time.monotonic()))
        return self.connection.close_code

    def close(self) -> None:
        self._open.close()
