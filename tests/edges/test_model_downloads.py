"""Models over HTTP: whole, checked, gone on with after a break, never half a model on the shelf."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from replyx.config.settings import Config
from replyx.errors import Conflict, ServiceUnavailable, ValidationFailed
from replyx.llm.shelf import ModelShelf

BODY = b"GGUF" + bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(BODY).hexdigest()


@dataclass
class Store:
    """A file server that can break off, and remembers where it was asked to begin."""

    body: bytes = BODY
    #: Bytes after which each of the next answers breaks off.
    breaks: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    knows_ranges: bool = True
    status: int = 200
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/files/tiny.Q4.gguf"


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            store.ranges.append(asked)
            if store.status != 200:
                self.send_error(store.status)
                return
            start = int(asked[6:-1]) if asked and store.knows_ranges else 0
            rest = store.body[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: store.breaks.pop(0)] if store.breaks else rest)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    store.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield store
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def shelf(config: Config) -> ModelShelf:
    return ModelShelf(config)


def test_a_model_is_loaded_checked_and_told_of(shelf: ModelShelf, store: Store) -> None:
    told: list[tuple[int, int]] = []
    assert shelf.pull(store.url, sha256=DIGEST.upper(), told=lambda *at: told.append(at)) == "tiny.q4"
    assert shelf.path("local/tiny.q4").read_bytes() == BODY
    assert told[-1] == (len(BODY), len(BODY))
    assert sorted(file.name for file in shelf.path("tiny.q4").parent.iterdir()) == ["tiny.q4.gguf"]
    with pytest.raises(Conflict):
        shelf.pull(store.url)


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_what_breaks_off_goes_on(shelf: ModelShelf, store: Store, knows_ranges: bool) -> None:
    store.breaks, store.knows_ranges = [1_500_000], knows_ranges
    shelf.pull(store.url, "mine", sha256=DIGEST)
    assert shelf.path("mine").read_bytes() == BODY
    begin = store.ranges[1]
    assert begin is not None
    assert store.ranges == [None, begin]


def test_a_later_command_goes_on_where_an_earlier_one_gave_up(shelf: ModelShelf, store: Store) -> None:
    store.breaks = [2_000_000, 0]
    with pytest.raises(ServiceUnavailable, match="the download goes on"):
        shelf.pull(store.url, "mine")
    assert "mine" not in shelf.names()
    shelf.pull(store.url, "mine", sha256=DIGEST)
    assert store.ranges[-1] is not None
    assert shelf.path("mine").read_bytes() == BODY


def test_another_file_or_checksum_never_becomes_a_model(shelf: ModelShelf, store: Store) -> None:
    with pytest.raises(ValidationFailed) as caught:
        shelf.pull(store.url, "mine", sha256="0" * 64)
    assert caught.value.details["field"] == "sha256"
    store.body = b"<html>not found</html>" * 100
    with pytest.raises(ValidationFailed):
        shelf.pull(store.url, "mine")
    store.status = 404
    with pytest.raises(ServiceUnavailable, match="404"):
        shelf.pull(store.url, "mine")
    for wrong in ("file:///etc/passwd", "tiny.gguf", "https://"):
        with pytest.raises(ValidationFailed):
            shelf.pull(wrong, "mine")
    assert "mine" not in shelf.names()
