"""The appliance's own origins: what pages that it served itself are known by. Never taken from a Host header."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class Origins:
    """Where this appliance is reached."""

    def __init__(self, public_url: str, host: str, port: int) -> None:
        """`host` and `port` are what the server listens on; `public_url` is how people reach it, or empty."""
        self._port = port
        self._public = _origin_of_url(public_url)
        self._fixed = frozenset({*([self._public] if self._public else []), *_at(_hosts(host), port)})
        #: How to reach the appliance from elsewhere, as `http://127.0.0.1:8000`.
        self.base_url = self._public or _at([_in_url(_reachable(host))], port)[0]

    def own(self, scope: Mapping[str, Any]) -> frozenset[str]:
        """Own origins as the connection of `scope` can have seen them: also the address that it came in on."""
        server = scope.get("server")
        if not server or not _is_address(server[0]):
            return self._fixed
        return self._fixed | set(_at([_in_url(server[0])], self._port))


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """A header's value; None where it is missing, empty text where it came more than once."""
    found = [value for key, value in scope["headers"] if key == name]
    if not found:
        return None
    text: str = found[0].decode("latin-1") if len(found) == 1 else ""
    return text


def _origin_of_url(url: str) -> str:
    parts = urlsplit(url.strip().rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.scheme in ("http", "https") and parts.netloc else ""


def _hosts(host: str) -> list[str]:
    if _is_address(host) and ipaddress.ip_address(host).is_unspecified:
        return list(_LOCAL)
    if host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        return [*_LOCAL, _in_url(host)]
    return [_in_url(host.lower())]


def _reachable(host: str) -> str:
    return "127.0.0.1" if _is_address(host) and ipaddress.ip_address(host).is_unspecified else host


def _at(hosts: list[str], port: int) -> list[str]:
    # Browsers leave out the port of the scheme.
    return [f"http://{host}" if port == 80 else f"http://{host}:{port}" for host in hosts]


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
