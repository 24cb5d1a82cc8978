"""The contract's table of limits: what is counted, for whom, and what a request that is over is told."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from replyx.config.settings import Config, LimitsSettings
from replyx.errors import RateLimited
from replyx.security.limits import Limiter
from replyx.server.context import RequestContext


@dataclass(frozen=True)
class Rule:
    """So many hits of one subject in a window of so many seconds."""

    name: str
    window_seconds: int
    limit: Callable[[LimitsSettings], int]


class Limit(Enum):
    """Limit classes of routes; each request counts under one."""

    NONE = None
    API = Rule("api", 60, lambda s: s.api_per_minute)
    LOGIN = Rule("login", 300, lambda s: s.login_per_5_minutes)
    UPLOAD = Rule("upload", 300, lambda s: s.uploads_per_5_minutes)
    TOP_UP = Rule("top_up", 600, lambda s: s.top_ups_per_10_minutes)
    LETTER = Rule("letter", 3600, lambda s: s.letters_per_hour)
    SOCKET = Rule("socket", 60, lambda s: s.socket_messages_per_minute)


class Limits:
    """Counts requests; asks Redis where there is one, so it is called in a thread."""

    def __init__(self, limiter: Limiter, config: Config) -> None:
        self._limiter, self._settings = limiter, config.limits

    @property
    def enabled(self) -> bool:
        return self._settings.enabled

    def count(self, limit: Limit, subject: str, context: RequestContext | None = None) -> None:
        """Count one hit of `subject`, and note the state for the answer's headers.

        Raises:
            RateLimited: there were too many.
        """
        rule = limit.value
        if rule is None or not self.enabled:
            return
        state = self._limiter.hit(f"{rule.name}:{subject}", rule.limit(self._settings), rule.window_seconds)
        if context is not None:
            context.note_limit(state)
        if not state.allowed:
            raise RateLimited(retry_after=state.retry_after)


def address_of(client: tuple[str, int] | None) -> str:
    """The address that a request came from, for the audit log."""
    return client[0] if client else "unknown"


def peer_of(client: tuple[str, int] | None) -> str:
    """Who is counted where nobody has logged in: the address; of IPv6 the network that one customer gets."""
    host = address_of(client)
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return f"peer:{host}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return f"peer:{address.ipv4_mapped}"
        return f"peer:{ipaddress.ip_network((address, 64), strict=False).network_address}"
    return f"peer:{address}"
