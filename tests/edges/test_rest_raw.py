"""Requests that no client library would send: each ends soon, and the server goes on."""

from __future__ import annotations

import http.client
import json
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from replyx.server.http_protocol import MOST_HEAD_BYTES
from tests.support.house import House

_START = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
_POST = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\n"

#: What is sent, and how the answer must begin; empty: the connection ends.
_CASES: dict[str, tuple[bytes, bytes]] = {
    "a head of 10 MB in one header": (_START + b"X-A: " + b"a" * 10_000_000, b"HTTP/1.1 400"),
    "100,000 headers": (_START + b"".join(b"X-%d: a\r\n" % n for n in range(100_000)), b"HTTP/1.1 400"),
    "an endless address": (b"GET /" + b"a" * 1_000_000, b"HTTP/1.1 400"),
    "a negative length": (_POST + b"Content-Length: -1\r\n\r\n", b"HTTP/1.1 400"),
    "two lengths": (_POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"HTTP/1.1 400"),
    "a length and chunks": (
        _POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 400"
    ),
    "a chunk of a wrong size": (_POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", b"HTTP/1.1 4"),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HTTP/1.1 400"),
    "a zero in a header": (_START + b"X-A: a\0b\r\n\r\n", b"HTTP/1.1 400"),
    "a poisoned host": (b"GET /api/users/me HTTP/1.1\r\nHost: a/healthz?x=\r\n\r\n", b"HTTP/1.1 401"),
    "ten thousand ranges": (
        b"GET /widget.js HTTP/1.1\r\nHost: x\r\nRange: bytes=" + b",".join([b"1-"] * 9000) + b"\r\n\r\n",
        b"HTTP/1.1 ",
    ),
    "an encoded zero in the path": (b"GET /static/%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 404"),
    "a path that is no UTF-8": (b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 404"),
}  # fmt: skip


def _connected(house: House) -> socket.socket:
    parts = urlsplit(house.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=25)


def _first_bytes(house: House, sent: bytes) -> bytes:
    with _connected(house) as raw:
        try:
            raw.sendall(sent)
            return raw.recv(200)
        except (ConnectionResetError, BrokenPipeError):
            return b""


def test_each_ends_soon_and_the_server_goes_on(house: House) -> None:
    before = _resident_kib()
    for name, (sent, expected) in _CASES.items():
        # Sooner than a silence ends, which is 30 s.
        answer = _first_bytes(house, sent)
        # A refusal may be lost where the peer still sends when the connection ends.
        assert answer.startswith(expected) or not answer, (name, answer)
        house.api().request("GET", "/healthz", expect=200)
    assert _resident_kib() - before < 64 * 1024


def test_what_is_no_http_is_told_so_in_the_contracts_form(house: House) -> None:
    answer = http.client.HTTPResponse(sock := _connected(house))
    sock.sendall(_START + b"X-A: a\0b\r\n\r\n")
    answer.begin()

    assert answer.status == 400
    assert (answer.headers["Content-Type"], answer.headers["Connection"]) == ("application/json", "close")
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert json.loads(answer.read())["error"] == {
        "code": "BAD_REQUEST",
        "message": "Запрос не разобрать: это не HTTP",
        "details": {},
    }
    answer.close()
    sock.close()


def test_large_bodies_right_behind_their_head_are_no_large_head(house: House) -> None:
    body = b'{"email": "' + b"a" * (MOST_HEAD_BYTES * 3) + b'", "password": "x"}'

    answer = _first_bytes(house, _POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert answer.startswith(b"HTTP/1.1 401")


def test_requests_in_one_connection_each_have_their_own_head(house: House) -> None:
    header = b"X-A: " + b"a" * 40_000 + b"\r\n"
    with _connected(house) as raw:
        for _ in range(4):
            raw.sendall(_START + header)
            raw.sendall(b"\r\n")
            assert raw.recv(2000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("path", ["/api/users/me", "/api/auth/login", "/api/documents/upload"])
def test_forms_and_other_bodies_where_json_or_nothing_is_expected(house: House, path: str) -> None:
    method = "PUT" if path.endswith("/me") else "POST"
    form = "&".join(f"field{n}=x" for n in range(1000))

    answer = house.api(house.anna).request(
        method, path, expect=400, content=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert answer.json()["error"]["code"] == "BAD_REQUEST"


def _resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
