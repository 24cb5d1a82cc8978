"""Nothing that a test runs may reach another machine.

The guard is an audit hook, so it sees every socket that Python opens. It stands in the test process and, through
`sitecustomize.py` beside `guarded/`, in the Python processes that tests start.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

#: Names that never exist, by RFC 2606 and RFC 6761: a test may use them to see what a failing lookup does.
_RESERVED = (".invalid", ".test", ".example", "example.com", "example.org", "example.net")

#: What was refused since the guard was last asked.
_attempts: list[str] = []


class OutsideWorld(AssertionError):
    """A test tried to reach something that is not on this machine."""


def install() -> None:
    """Refuse every connection to, and every lookup of, a host that is not this machine. It stays for good."""
    sys.addaudithook(_audit)


def refused() -> list[str]:
    """What was refused since the last call: for the test that caused it to fail, even if it swallowed the error."""
    found = _attempts.copy()
    _attempts.clear()
    return found


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        _check(arguments[0])
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple):
            _check(address[0])


def _check(host: str | bytes | None) -> None:
    name = host.decode() if isinstance(host, bytes) else (host or "localhost")
    if name == "localhost" or _is_local(name):
        return
    if name.endswith(_RESERVED):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    _attempts.append(name)
    raise OutsideWorld(name)


def _is_local(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified
