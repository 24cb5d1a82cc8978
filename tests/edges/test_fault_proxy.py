"""The proxy that misbehaves: each of its faults is what it says, and it passes everything on when there is none."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from replyx.testing.fault_proxy import Fault, FaultProxy
from tests.support.programs import wait_until


class Echo:
    """A server that says back what it hears."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="echo", daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65_536):
                connection.sendall(data)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    echo = Echo()
    with FaultProxy("127.0.0.1", echo.port) as proxy:
        yield proxy
    echo.close()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with _connect(proxy) as client:
        yield client


def _connect(proxy: FaultProxy) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def _exchange(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    got = b""
    while len(got) < len(data):
        piece = client.recv(65_536)
        assert piece, "the connection ended"
        got += piece
    return got


def test_without_a_fault_everything_passes(client: socket.socket) -> None:
    data = bytes(range(256)) * 4096

    assert _exchange(client, data) == data


def test_a_delay_counts_in_both_directions(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.fault = Fault(delay=0.1)
    start = time.monotonic()

    _exchange(client, b"hello")

    assert time.monotonic() - start >= 0.2


def test_what_is_sent_during_a_stall_arrives_after_it(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.fault = Fault(stall=True)
    client.sendall(b"hello")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(5)

    proxy.fault = Fault()
    client.settimeout(5)

    assert client.recv(5) == b"hello"


def test_a_reset_breaks_open_connections_and_new_ones_work(proxy: FaultProxy, client: socket.socket) -> None:
    _exchange(client, b"hello")

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        client.recv(5)
    with _connect(proxy) as again:
        assert _exchange(again, b"hello") == b"hello"


def test_refused_connections_are_reset(proxy: FaultProxy) -> None:
    proxy.fault = Fault(refuse=True)

    # It may come with the handshake already.
    with pytest.raises(ConnectionResetError), _connect(proxy) as client:
        client.recv(5)


def test_a_half_open_connection_stays_dead_when_the_fault_is_over(proxy: FaultProxy, client: socket.socket) -> None:
    _exchange(client, b"hello")
    proxy.fault = Fault(swallow=True)
    client.sendall(b"lost")
    with _connect(proxy) as newcomer:
        newcomer.settimeout(0.2)
        with pytest.raises(TimeoutError):
            _exchange(newcomer, b"lost")
    wait_until(lambda: proxy.taken == 2, 5, "the newcomer was not taken")

    proxy.fault = Fault()
    client.sendall(b"still lost")
    client.settimeout(0.2)

    with pytest.raises(TimeoutError):
        client.recv(5)


def test_slices_arrive_whole_in_the_end(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.fault = Fault(slice_bytes=1)

    assert _exchange(client, b"hello" * 200) == b"hello" * 200


def test_a_server_that_is_away_breaks_the_connection() -> None:
    with FaultProxy("127.0.0.1", 1) as nowhere, pytest.raises(ConnectionResetError), _connect(nowhere) as client:
        client.recv(5)
