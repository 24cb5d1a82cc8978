"""Clients that mean harm: forms without end, hosts that lie, two requests in one, bytes that drip. All get nothing."""

from __future__ import annotations

import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from replyx.server.bodies import SILENCE
from replyx.server.endpoint import Permission
from replyx.server.http_protocol import HEAD_SECONDS
from replyx.server.routes import ROUTES
from tests.support.house import House
from tests.support.samples import url_of

_PROTECTED = tuple(one for one in ROUTES if one.permission is not Permission.ANONYMOUS)

#: Values of `Host` that make another address of a request, where it is put together from them.
_HOSTS = (
    "a/?x=", "a/healthz?", "a/healthz#", "/", "?", "#", "a#", "a?b", "a\\b", "a@b", "healthz@a", "a:b", "a:99999",
    ":80", "[::1", "[::1]/healthz", "[", "]", "a b", "a\tb", "..", "../healthz", "%2fhealthz", "a%00", "*", "a,b",
    "localhost/healthz?x=", "127.0.0.1:8000/", "http://a/healthz", "-", "a" * 300, "\x7f", "xn--a", "a;b", "<a>", "{}",
)  # fmt: skip

_SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
_CHUNKED = b"0\r\n\r\n" + _SMUGGLED
_LENGTH = b"Content-Length: %d\r\n" % len(_CHUNKED)
_TE = b"Transfer-Encoding: chunked\r\n"

#: Heads over which a proxy and a server may disagree where the body ends, each followed by `_CHUNKED`.
_PAIRS: dict[str, bytes] = {
    "a length, then chunks": _LENGTH + _TE,
    "chunks, then a length": _TE + _LENGTH,
    "chunks and no length": _TE + b"Content-Length: 0\r\n",
    "chunks twice": _LENGTH + _TE + _TE,
    "chunks and identity": _LENGTH + _TE + b"Transfer-Encoding: identity\r\n",
    "chunks behind gzip": _LENGTH + b"Transfer-Encoding: gzip, chunked\r\n",
    "chunks before gzip": _LENGTH + b"Transfer-Encoding: chunked, gzip\r\n",
    "chunks in quotes": _LENGTH + b'Transfer-Encoding: "chunked"\r\n',
    "no chunks": _LENGTH + b"Transfer-Encoding: xchunked\r\n",
    "chunks behind a tab": _LENGTH + b"Transfer-Encoding:\tchunked\r\n",
    "chunks behind a line feed": _LENGTH + b"Transfer-Encoding:\n chunked\r\n",
    "a blank before the colon": _LENGTH + b"Transfer-Encoding : chunked\r\n",
    "a folded header": _LENGTH + b"X-A: b\r\n Transfer-Encoding: chunked\r\n",
    "a zero in the name": _LENGTH + b"Transfer-Encoding\0: chunked\r\n",
    "a bare line feed": _LENGTH + b"X-A: b\nTransfer-Encoding: chunked\r\n",
    "a bare carriage return": _LENGTH + b"X-A: b\rTransfer-Encoding: chunked\r\n",
    "a length with a sign": b"Content-Length: +%d\r\n" % len(_CHUNKED) + _TE,
    "a length in hexadecimal": b"Content-Length: 0x%x\r\n" % len(_CHUNKED) + _TE,
    "a list of lengths": b"Content-Length: %d, 0\r\n" % len(_CHUNKED),
    "two lengths": _LENGTH + b"Content-Length: 0\r\n",
    "a length that overflows": b"Content-Length: 18446744073709551616\r\n",
    "a negative length": b"Content-Length: -1\r\n",
    "a length of letters": b"Content-Length: 5x\r\n",
}

#: Chunks that are none, behind `Transfer-Encoding: chunked`.
_CHUNKS = (
    b"-1\r\n\r\n", b"0x0\r\n\r\n", b"g\r\n\r\n", b"ffffffffffffffffff\r\n", b" 0\r\n\r\n", b"1\r\nab\r\n0\r\n\r\n",
    b"\r\n\r\n", b"0\n\n",
)  # fmt: skip


@contextmanager
def _connected(house: House, seconds: float = 10) -> Iterator[socket.socket]:
    parts = urlsplit(house.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=seconds) as raw:
        yield raw


def _answer(house: House, sent: bytes, seconds: float = 1.0) -> bytes:
    """Everything that comes back until the server closes, or is silent for `seconds`."""
    got = b""
    with _connected(house, seconds) as raw, suppress(OSError):
        raw.sendall(sent)
        while piece := raw.recv(65_536):
            got += piece
    return got


@contextmanager
def _healthy(house: House) -> Iterator[None]:
    """/healthz is asked all the while, and has to answer."""
    took: list[float] = []
    over = threading.Event()

    def ask() -> None:
        client = house.api().client
        while not over.is_set() or len(took) < 5:
            started = time.monotonic()
            assert client.get("/healthz").status_code == 200
            took.append(time.monotonic() - started)
            over.wait(0.02)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield
        finally:
            over.set()
        asked.result(60)
    # Other tests may have the machine; a server that stands still takes far longer.
    assert statistics.median(took) < 2


@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
def test_a_form_of_a_million_fields_is_refused_at_once_by_every_route(house: House, kind: str) -> None:
    headers, form = {"Content-Type": "application/x-www-form-urlencoded"}, b"a=b&" * 1_000_000
    if kind == "multipart":
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        form = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 100_000
    api = house.api(house.admin, Origin=house.url)
    with _healthy(house):
        for endpoint in (one for one in ROUTES if one.method in ("POST", "PUT")):
            if endpoint.path == "/api/auth/logout":
                continue
            # Of this process's work, not of the clock: others may have the cores.
            started = time.process_time()
            url = url_of(endpoint, 999_999)
            answer = api.client.request(endpoint.method, url, content=form, headers=headers)
            assert time.process_time() - started < 2, url
            reads_one = endpoint.body is not None or url.endswith("/upload")
            allowed = (400, 401, 403, 404, 413, 422) if reads_one else (200, 201, 400, 404, 409, 413)
            assert answer.status_code in allowed, (url, answer.status_code)


def test_no_host_opens_a_protected_route(house: House) -> None:
    statuses: set[bytes] = set()
    with _healthy(house):
        for host in _HOSTS:
            for endpoint in _PROTECTED:
                # The next one is asked on a connection of its own, where this one was closed.
                head = f"{endpoint.method} {url_of(endpoint, 1)} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n"
                got = _answer(house, f"{head}Connection: close\r\n\r\n".encode("latin-1"), 60)
                statuses.add(got[9:12])
                assert got[9:12] in (b"401", b"400"), (host, endpoint.path, got[:200])
    assert b"401" in statuses


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/logout", "/healthz", "/nowhere"])
def test_one_request_is_never_two(house: House, path: str) -> None:
    start = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()
    with _healthy(house), ThreadPoolExecutor(4) as pool:
        heads = [start + pair + b"\r\n" + _CHUNKED for pair in _PAIRS.values()]
        chunks = [start + _TE + b"\r\n" + chunk + _SMUGGLED for chunk in _CHUNKS]
        for sent, got in zip(heads, pool.map(lambda one: _answer(house, one), heads), strict=True):
            assert b" 200 OK" not in got, (sent, got)
            assert not re.search(rb"HTTP/1.1 5\d\d", got), (sent, got)
        for sent, got in zip(chunks, pool.map(lambda one: _answer(house, one), chunks), strict=True):
            assert b" 200 OK" not in got, (sent[:200], got)


def test_ranges_without_end_are_answered_at_once(house: House) -> None:
    for spec in (",".join(["0-"] * 10_000), ",".join(f"{n}-{n}" for n in range(9_000)), "-" * 60_000, "bytes=" * 9_000):
        started = time.process_time()
        answer = house.api().client.get("/widget.js", headers={"Range": f"bytes={spec}"[:65_000]})
        assert answer.status_code in (200, 206, 400, 416)
        assert len(answer.content) < 1_000_000
        assert time.process_time() - started < 2


def test_what_drips_or_stands_still_ends_by_its_time_out(house: House) -> None:
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\n"
    upload = b"POST /api/documents/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    upload += f"Authorization: Bearer {house.token(house.anna)}\r\nContent-Length: 100000\r\n\r\n--x\r\n".encode()
    cases: list[tuple[str, bytes, bytes]] = [
        ("nothing at all", b"", b""),
        ("half a head", b"GET /healthz HTT", b""),
        ("a head that drips", b"GET /healthz HTTP/1.1\r\nX-A: ", b"a"),
        ("a body that stands still", head + b"Content-Length: 100\r\n\r\n{", b""),
        ("a body that drips", head + b"Content-Length: 100000\r\n\r\n{", b" "),
        ("chunks that drip", head + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        ("an upload that stands still", upload, b""),
        ("an upload that drips", upload, b"x"),
    ]
    limit = max(SILENCE, HEAD_SECONDS)
    with _healthy(house), ThreadPoolExecutor(len(cases)) as pool:
        ends = list(pool.map(lambda case: _drip(house, case[1], case[2], limit + 60), cases))

    for (name, _, _), (seconds, got) in zip(cases, ends, strict=True):
        assert seconds < limit + 30, (name, seconds)
        assert not got or got.startswith(b"HTTP/1.1 400"), (name, got)


def _drip(house: House, first: bytes, drop: bytes, seconds: float) -> tuple[float, bytes]:
    """Send `first`, then `drop` twice a second; how long until the server closed, and what it said."""
    started, got = time.monotonic(), b""
    with _connected(house, 0.5) as raw, suppress(ConnectionError):
        raw.sendall(first)
        while time.monotonic() - started < seconds:
            with suppress(TimeoutError):
                piece = raw.recv(65_536)
                if not piece:
                    break
                got += piece
            raw.sendall(drop)
    return time.monotonic() - started, got
