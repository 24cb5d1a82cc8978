"""An HTTP transport whose reads can be given up at any moment: while a model thinks, somebody may stop waiting.

A blocking read knows only its time-out. Here a read wakes several times a second and asks the watch of its own thread
whether to go on; a read that is given up closes its connection. Once an answer flows, reads keep a distance: what a
fast model sends word by word is fetched together, since waking up for a word costs more than the word.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import httpx2

if TYPE_CHECKING:
    import httpcore2

#: Seconds between two looks at the watch.
_POLL = 0.05

#: Seconds that an idle connection is kept. Common servers close theirs after 5: using one at that moment would fail.
_KEEP_ALIVE = 4.0

_thread = threading.local()


class GaveUp(Exception):
    """The watch said stop: the answer is not wanted any more."""


class OutOfTime(Exception):
    """The call's whole time is over."""


@dataclass(frozen=True)
class Watch:
    """Until when a call may last, by `now`, and whether it is still wanted.

    `distance` is the least time between two reads, in seconds.
    """

    now: Callable[[], float]
    deadline: float
    should_stop: Callable[[], bool]
    distance: float = 0.0

    def look(self) -> None:
        """Raise what ends the call, if something does."""
        if self.should_stop():
            raise GaveUp
        if self.now() >= self.deadline:
            raise OutOfTime


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Reads of this thread are under `watch` inside the block."""
    _thread.watch = watch
    try:
        yield
    finally:
        _thread.watch = None


@cache
def _trusted(_places: tuple[str | None, ...]) -> ssl.SSLContext:
    """Whose certificates are believed, by what the environment says now: 25 ms of reading, done once."""
    return httpx2.create_ssl_context()


class PatientTransport(httpx2.HTTPTransport):
    """The library's transport on connections that look at the watch."""

    def __init__(self) -> None:
        # Imports an event loop library where one is installed, which starts a process: not for a module's import.
        import httpcore2

        trusted = _trusted((os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")))
        super().__init__(verify=trusted)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=trusted,
            # The number of answers at a time is the worker's to limit.
            max_connections=None,
            max_keepalive_connections=64,
            keepalive_expiry=_KEEP_ALIVE,
            network_backend=cast("httpcore2.NetworkBackend", _PatientBackend(httpcore2.SyncBackend())),
        )


class _PatientBackend:
    """Opens connections as the library does."""

    def __init__(self, backend: httpcore2.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _PatientStream:
        return _PatientStream(self._backend.connect_tcp(host, port, timeout, local_address, socket_options))


class _PatientStream:
    """A connection whose reads wake up to look at the watch."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        #: When the last read under a watch ended.
        self._read_at = 0.0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        from httpcore2 import ReadTimeout

        watch: Watch | None = getattr(_thread, "watch", None)
        if watch is None or timeout is None:
            return self._stream.read(max_bytes, timeout)
        silent_until = watch.now() + timeout
        if watch.distance:
            time.sleep(max(0.0, min(watch.distance, self._read_at + watch.distance - time.monotonic())))
        while True:
            watch.look()
            try:
                data = self._stream.read(max_bytes, _POLL)
            except ReadTimeout:
                if watch.now() >= silent_until:
                    raise
            else:
                self._read_at = time.monotonic()
                return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _PatientStream:
        return _PatientStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
