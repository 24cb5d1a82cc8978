"""Which web pages may use a widget: the domains an owner lists, and the `Origin` a browser states.

An entry is `host`, `*.host` (every subdomain, not the host itself) or either with `:port`. Without a port it means
https on its usual port, and for this very machine (`localhost`, `127.0.0.1`, `[::1]`) http as well; plain http
elsewhere must be asked for by its port: `intranet.example:80`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import idna

from replyx.errors import FieldIssue, ValidationFailed

#: Domains that one assistant may list.
MOST_DOMAINS = 50

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_ENTRY = re.compile(rf"(?P<wildcard>\*\.)?(?P<host>{_NAME}|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?", re.ASCII)

#: An origin as browsers write it: lower case, punycode, no path, no user, the usual port left out.
_ORIGIN = re.compile(rf"(?P<scheme>https?)://(?P<host>{_NAME}|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?", re.ASCII)

_USUAL_PORTS = {"http": 80, "https": 443}
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True)
class _Origin:
    scheme: str
    host: str
    port: int


def normalize_domains(values: Iterable[object], field: str = "allowed_domains") -> list[str]:
    """The entries in the form in which they are kept: lower case, punycode, each once.

    Raises:
        ValidationFailed: naming each entry that is none (`allowed_domains.0`), or too many of them.
    """
    if isinstance(values, str) or not isinstance(values, list | tuple | set | frozenset):
        raise ValidationFailed.of(field, "Нужен список доменов", "A list of domains is needed")
    if len(values) > MOST_DOMAINS:
        raise ValidationFailed.of(field, f"Не больше {MOST_DOMAINS} доменов", f"At most {MOST_DOMAINS} domains")
    found, issues = [], []
    for index, value in enumerate(values):
        entry = _normalized(value)
        if entry is None:
            issues.append(
                FieldIssue(
                    f"{field}.{index}",
                    "Нужен домен без протокола и пути: example.com, *.example.com или example.com:8443",
                    "A domain without protocol and path is needed: example.com, *.example.com or example.com:8443",
                )
            )
        elif entry not in found:
            found.append(entry)
    if issues:
        raise ValidationFailed(issues)
    return found


def origin_is_allowed(origin: str | None, allowed: Collection[str], own_origins: Collection[str]) -> bool:
    """Whether a page of `origin` may use the widget.

    `allowed` are normalized entries, and an empty list allows nobody; `own_origins` are the appliance's own pages,
    written as browsers do. No origin, `null` and everything that no browser would write are refused.
    """
    if not origin:
        return False
    if origin in own_origins:
        return True
    page = _parsed(origin)
    return page is not None and any(_matches(page, entry) for entry in allowed)


def _matches(page: _Origin, entry: str) -> bool:
    parts = _ENTRY.fullmatch(entry)
    if parts is None:
        return False
    host = parts["host"]
    if parts["wildcard"]:
        if not page.host.endswith("." + host):
            return False
    elif page.host != host:
        return False
    if parts["port"]:
        return page.port == int(parts["port"])
    is_secure = page.scheme == "https" or page.host in _THIS_MACHINE
    return is_secure and page.port == _USUAL_PORTS[page.scheme]


def _parsed(origin: str) -> _Origin | None:
    parts = _ORIGIN.fullmatch(origin)
    if parts is None:
        return None
    usual = _USUAL_PORTS[parts["scheme"]]
    port = int(parts["port"]) if parts["port"] else usual
    if not 0 < port < 65_536 or (parts["port"] and port == usual):
        return None
    return _Origin(parts["scheme"], parts["host"], port)


def _normalized(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    text = value.strip().lower()
    wildcard = "*." if text.startswith("*.") else ""
    host, port = _split(text.removeprefix("*."))
    host = _ascii(host)
    entry = f"{wildcard}{host}{port}"
    parts = _ENTRY.fullmatch(entry)
    if parts is None or len(host) > 253 or (parts["port"] and not 0 < int(parts["port"]) < 65_536):
        return None
    is_address = host.startswith("[") or re.fullmatch(r"[0-9.]+", host) is not None
    if is_address and (wildcard or not _is_address(host.strip("[]"))):
        return None
    # `*.com` would let in half of the world.
    if wildcard and "." not in host:
        return None
    return f"{wildcard}{host}:{int(parts['port'])}" if parts["port"] else entry


def _split(text: str) -> tuple[str, str]:
    """Host and `:port`; an IPv6 address keeps its brackets."""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        return host + bracket, rest
    host, colon, port = text.partition(":")
    return host, colon + port


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def _is_address(text: str) -> bool:
    try:
        return str(ipaddress.ip_address(text)) == text
    except ValueError:
        return False
