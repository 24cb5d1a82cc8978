"""Calls of addresses that tenants typed: to the checked address, bounded in time and size, redirects checked anew."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin

from replyx.errors import FetchFailed
from replyx.security.outgoing import OutgoingUrls, Target

_PIECE = 65_536
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Bounds:
    """What one call may cost: seconds in all, bytes of the body, redirects that are followed."""

    seconds: float = 10.0
    max_bytes: int = 2 * 1024 * 1024
    redirects: int = 0


@dataclass(frozen=True)
class Answer:
    """What came back. `url` is where it came from in the end; names of headers are in lower case."""

    url: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Outgoing:
    """Calls through the guard; knows no proxy, keeps no connection, and sends nothing that it is not given."""

    def __init__(self, urls: OutgoingUrls, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is for tests with an authority of their own; None: the system's."""
        self.urls = urls
        self._tls = tls

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bounds: Bounds | None = None,
    ) -> Answer:
        """Call `url`; every redirect is a URL that is checked like the first.

        Raises:
            AddressRefused: the URL, or one that it leads to, may not be called.
            FetchFailed: no whole answer came within the bounds.
        """
        bounds = bounds or Bounds()
        deadline = time.monotonic() + bounds.seconds
        for _ in range(bounds.redirects + 1):
            answer = self._once(method, self.urls.check(url), headers or {}, body, bounds, deadline)
            place = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not place or not bounds.redirects:
                return answer
            url = urljoin(answer.url, place)
        raise _failed(url, "слишком много перенаправлений", "too many redirects")

    def _once(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None, bounds: Bounds, end: float
    ) -> Answer:
        seconds = end - time.monotonic()
        if seconds <= 0:
            raise _failed(target.url, "нет ответа вовремя", "no answer in time")
        connection = _Pinned(target, seconds, self._context(target))
        # A trickle of bytes keeps every read alive: the whole call has an end of its own.
        watch = threading.Timer(seconds, connection.cut)
        watch.daemon = True
        watch.start()
        try:
            connection.request(method, target.path, body, {"Accept-Encoding": "identity", **headers})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            content = _body(response, target.url, bounds.max_bytes)
            # A cut looks like an end to whoever reads until the end.
            if connection.is_cut:
                raise TimeoutError
            return Answer(target.url, response.status, found, content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = connection.is_cut or isinstance(error, TimeoutError)
            what = ("нет ответа вовремя", "no answer in time") if late else _reason(error)
            raise _failed(target.url, *what) from error
        finally:
            watch.cancel()
            connection.close()

    def _context(self, target: Target) -> ssl.SSLContext | None:
        if target.scheme != "https":
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was checked, whatever the name says by now."""

    def __init__(self, target: Target, seconds: float, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port, timeout=seconds)
        self.default_port = 443 if tls else 80
        self._addresses, self._context, self.is_cut = target.addresses, tls, False

    def connect(self) -> None:
        last: OSError = OSError("no address")
        for address in self._addresses:
            try:
                plain = socket.create_connection((address, self.port), self.timeout)
                break
            except OSError as error:
                last = error
        else:
            raise last
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Known before the handshake, which may be a trickle as well.
        self.sock = plain
        if self._context is not None:
            self.sock = self._context.wrap_socket(plain, server_hostname=self.host)

    def cut(self) -> None:
        """End whatever is being waited for; from another thread."""
        self.is_cut = True
        sock = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def _body(response: http.client.HTTPResponse, url: str, most: int) -> bytes:
    pieces, size = [], 0
    while piece := response.read1(_PIECE):
        size += len(piece)
        if size > most:
            raise _failed(url, f"ответ больше {most} байт", f"the answer is over {most} bytes")
        pieces.append(piece)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"сертификат не подходит ({error.verify_message})",
            f"its certificate does not fit ({error.verify_message})",
        )
    if isinstance(error, OSError) and error.strerror:
        return f"нет связи ({error.strerror})", f"no connection ({error.strerror})"
    return "ответ не разобрать", "its answer cannot be read"


def _failed(url: str, ru: str, en: str) -> FetchFailed:
    return FetchFailed(f"{url}: {ru}", f"{url}: {en}")
