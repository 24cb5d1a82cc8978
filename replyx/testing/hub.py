"""A Hugging Face hub on the loopback: files under commits, redirects to a store, ranges, tokens, broken connections."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

#: The only commit that there is.
COMMIT = "0123456789abcdef0123456789abcdef01234567"

_RESOLVE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([\w.-]+)/(.+)")


class FakeHub:
    """`HF_ENDPOINT` is to be `url`. Files are as large ones of the hub: their tag is their SHA-256."""

    def __init__(self) -> None:
        #: "owner/repo/file" → its bytes.
        self.files: dict[str, bytes] = {}
        #: Repositories that only this token sees.
        self.gated: dict[str, str] = {}
        #: Bytes after which each of the next answers of the store breaks off.
        self.breaks: list[int] = []
        #: The tag that is told in place of the true one.
        self.false_tag = ""
        #: What the store was asked for: the range, or None for the whole file.
        self.ranges: list[str | None] = []
        #: Whether a token reached the store, which is another host in truth.
        self.has_leaked = False
        self._store = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self, is_store=True))
        self._hub = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self, is_store=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_address[1]}"

    def __enter__(self) -> Self:
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,), name="hub", daemon=True)
            for server in (self._hub, self._store)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for server, thread in zip((self._hub, self._store), self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join(5)

    def resolve(self, path: str, authorization: str) -> tuple[int, dict[str, str]]:
        """The hub's own answer: where the file is, or why not."""
        asked = _RESOLVE.fullmatch(path)
        repo, revision, file = asked.groups() if asked else ("", "", "")
        if repo in self.gated and authorization != f"Bearer {self.gated[repo]}":
            return 401, {"X-Error-Code": "GatedRepo"}
        if not any(name.startswith(f"{repo}/") for name in self.files):
            return 401, {"X-Error-Code": "RepoNotFound"}
        body = self.files.get(f"{repo}/{file}")
        if body is None or revision not in ("main", COMMIT):
            return 404, {"X-Error-Code": "EntryNotFound"}
        return 302, {
            "X-Repo-Commit": COMMIT,
            "X-Linked-ETag": f'"{self.false_tag or hashlib.sha256(body).hexdigest()}"',
            "X-Linked-Size": str(len(body)),
            "Location": f"http://127.0.0.1:{self._store.server_address[1]}/{repo}/{file}?signature=1",
        }


def _handler_of(hub: FakeHub, *, is_store: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._respond()

        def do_GET(self) -> None:
            self._respond()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Says nothing: tests look at `ranges`."""

        def _respond(self) -> None:
            authorization = self.headers.get("Authorization", "")
            if is_store:
                hub.has_leaked |= bool(authorization)
                self._send_file(hub.files[self.path[1:].partition("?")[0]])
                return
            status, headers = hub.resolve(self.path, authorization)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def _send_file(self, body: bytes) -> None:
            asked = self.headers.get("Range")
            hub.ranges.append(asked)
            start = int(asked[len("bytes=") : -1]) if asked else 0
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(body) - start))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            rest = body[start:]
            if hub.breaks:
                rest, self.close_connection = rest[: hub.breaks.pop(0)], True
            self.wfile.write(rest)

    return Handler
