"""Whether an address that a tenant typed may be called, and where exactly: nothing inside, no second look-up.

A URL is parsed once and strictly: forms that two parsers read differently (user information, backslashes, numbers in
place of a host) are refused, not repaired. The name is looked up once; every address that it has must be public; the
connection goes to the address that was checked (`fetching.py`), so another answer of the name server changes nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from replyx.errors import AddressRefused, FetchFailed

#: Longest URL that is looked at.
MAX_URL = 2000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Host name and port → its addresses as text; raises OSError where it has none.
Resolver = Callable[[str, int], Sequence[str]]

_PORTS = {"http": 80, "https": 443}
#: Below this, only the two ports of the web: mail servers and shells are no sites.
_FIRST_FREE_PORT = 1024
_ODD = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\\]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
#: A last label that makes a host a number, by the URL standard: `127.1`, `0x7f.1`, `2130706433`.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: Networks that lead elsewhere by carrying an IPv4 address: it is the one that is checked.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
#: Not public, whatever the version of Python says.
_CLOSED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A URL that may be called: its parts, and the addresses that were checked, in the name server's order."""

    url: str
    scheme: str
    host: str
    port: int
    #: Path and query, as they go into the request.
    path: str
    addresses: tuple[str, ...]


class OutgoingUrls:
    """The guard. `allow` holds private networks that may be called all the same (`outgoing.allow`)."""

    def __init__(self, allow: Sequence[str] = (), resolve: Resolver | None = None) -> None:
        """Raises ValueError for what is no network."""
        self._allow = tuple(ipaddress.ip_network(text, strict=False) for text in allow)
        self._resolve = resolve or look_up

    def check(self, url: str) -> Target:
        """The target of a URL.

        Raises:
            AddressRefused: it is no plain http(s) URL, or leads inside. FetchFailed: the name has no address.
        """
        scheme, host, port, path = parse_url(url)
        addresses = [host] if _literal(host) is not None else self._look_up(host, port)
        for text in addresses:
            if not self._may_call(ipaddress.ip_address(text)):
                raise _inside(host)
        authority = f"[{host}]" if ":" in host else host
        if port != _PORTS[scheme]:
            authority = f"{authority}:{port}"
        return Target(f"{scheme}://{authority}{path}", scheme, host, port, path, tuple(addresses))

    def _look_up(self, host: str, port: int) -> list[str]:
        try:
            found = [text.partition("%")[0] for text in self._resolve(host, port)]
        except (OSError, UnicodeError) as error:
            raise _unknown(host) from error
        if not found:
            raise _unknown(host)
        return list(dict.fromkeys(found))

    def _may_call(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self._allow)


def look_up(host: str, port: int) -> list[str]:
    """The system's name server. Raises OSError."""
    return [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_public(address: Address) -> bool:
    """Whether the address is one of the internet's, itself and every address that it carries inside."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = _carried(address)
        if carried:
            return all(is_public(inner) for inner in carried)
    closed = any(address.version == network.version and address in network for network in _CLOSED)
    return address.is_global and not address.is_multicast and not closed


def _carried(address: ipaddress.IPv6Address) -> list[Address]:
    """IPv4 addresses that a packet to `address` may end at."""
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if address in _NAT64 or address in _COMPATIBLE:
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    return []


def parse_url(url: str) -> tuple[str, str, int, str]:
    """Scheme, host in ASCII, port, path with query; without a look-up.

    Raises:
        AddressRefused: it is not an http(s) URL that every parser reads alike.
    """
    if not url or len(url) > MAX_URL or _ODD.search(url):
        raise _malformed()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _malformed() from error
    if parts.scheme not in _PORTS or "@" in parts.netloc or not parts.hostname or "%" in parts.netloc:
        raise _malformed()
    if port is None:
        if parts.netloc.endswith(":"):
            raise _malformed()
        port = _PORTS[parts.scheme]
    if port not in _PORTS.values() and port < _FIRST_FREE_PORT:
        raise AddressRefused.of("url", f"Порт {port} не для сайтов", f"Port {port} is not for sites")
    path = (parts.path if parts.path.startswith("/") else f"/{parts.path}") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, _host(parts.hostname, is_bracketed="[" in parts.netloc), port, _ascii(path)


def _host(host: str, *, is_bracketed: bool) -> str:
    if is_bracketed:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise _malformed() from error
    import idna

    try:
        # Full-width digits and dots of other scripts become what they look like, before they are judged.
        name = idna.encode(host, uts46=True).decode("ascii").lower() if not host.isascii() else host.lower()
    except idna.IDNAError as error:
        raise _malformed() from error
    labels = name.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise _malformed() from error
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _malformed()
    return name.removesuffix(".")


def _ascii(path: str) -> str:
    """The path with everything beyond ASCII percent-encoded; what is encoded stays."""
    from urllib.parse import quote

    return quote(path, safe="/?#[]@!$&'()*+,;=:%~-._|{}^`\"<>")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _malformed() -> AddressRefused:
    return AddressRefused.of(
        "url",
        "Нужен обычный адрес: http:// или https://, имя сайта, путь; без логина и пробелов",
        "A plain address is needed: http:// or https://, the site's name, a path; no login, no spaces",
    )


def _inside(host: str) -> AddressRefused:
    return AddressRefused.of(
        "url",
        f"{host} ведёт во внутреннюю сеть. Если так и надо, администратор добавит сеть в outgoing.allow",
        f"{host} leads into an internal network. If that is wanted, the administrator adds it to outgoing.allow",
    )


def _unknown(host: str) -> FetchFailed:
    return FetchFailed(f"Имя {host} не найдено. Проверьте адрес.", f"There is no {host}. Check the address.")
