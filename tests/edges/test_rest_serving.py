"""Starting and stopping the server: ports, addresses, and requests that are under way at the end."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from replyx.app import open_app
from replyx.errors import AddressInUse
from replyx.server.serve import bind, run_server
from tests.conftest import Configure
from tests.edges.conftest import Build
from tests.support.house import House, Serving


def test_a_free_port_is_taken_and_told(build: Build) -> None:
    house = build()

    assert house.url.startswith("http://127.0.0.1:")
    assert house.api().get("/healthz") == {"status": "ok"}


def test_an_address_that_cannot_be_had_is_one_clear_error(configure: Configure, sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        app = open_app(configure(REPLYX_DATABASE__URL=sqlite_url, REPLYX_SERVER__PORT=port))
        try:
            with pytest.raises(AddressInUse, match=rf"Port {port} on 127\.0\.0\.1 is in use"):
                run_server(app, threading.Event(), lambda _: None)
        finally:
            app.close()
    with pytest.raises(AddressInUse, match=r"no-such-host\.invalid:0 cannot be listened on"):
        bind(configure(REPLYX_SERVER__HOST="no-such-host.invalid", REPLYX_SERVER__PORT="0"))


def test_a_server_serves_again_after_it_has_stopped(build: Build) -> None:
    house = build()
    before = time.monotonic()
    house.serving.end()
    assert time.monotonic() - before < 10

    again = Serving(house.app, with_worker=False)
    try:
        assert again.url
    finally:
        again.end()


def test_ipv6_addresses_are_written_in_brackets(build: Build) -> None:
    house = build(REPLYX_SERVER__HOST="::1")

    assert house.url.startswith("http://[::1]:")
    assert house.api().get("/healthz") == {"status": "ok"}


def test_a_large_body_in_one_read_is_no_endless_head(build: Build) -> None:
    house = build()
    body = b'{"text": "' + b"x" * 200_000 + b'"}'
    head = f"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(_address(house), timeout=10) as raw, raw.makefile("rb") as answers:
        for _ in range(20):
            raw.sendall(head + body)
            assert b" 422 " in answers.readline()
            sizes = [line for line in iter(answers.readline, b"\r\n") if line.lower().startswith(b"content-length")]
            answers.read(int(sizes[0].split(b":")[1]))


def test_an_endless_head_is_refused(build: Build) -> None:
    with socket.create_connection(_address(build()), timeout=10) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 70_000)
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


def _address(house: House) -> tuple[str, int]:
    parts = urlsplit(house.url)
    return parts.hostname or "", parts.port or 0
