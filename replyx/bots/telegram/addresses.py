"""Addresses that tenants chose for their bots: an own Bot API server, a proxy. Neither may lead inside."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from replyx.errors import ReplyXError
from replyx.security.outgoing import OutgoingUrls


class GuardedResolver(AbstractResolver):
    """Looks names up for aiohttp, and gives only addresses that were checked in the same look-up."""

    def __init__(self, guard: OutgoingUrls) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises OSError where it has none, or one that may not be called."""
        try:
            target = await asyncio.to_thread(self._guard.check, f"https://{host}:{port or 443}/")
        except ReplyXError as error:
            raise OSError(type(error).__name__) from None
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in target.addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def checked_proxy(proxy: str, guard: OutgoingUrls) -> str:
    """The proxy's URL with the address that was checked in place of its name.

    Raises:
        AddressRefused, FetchFailed: it leads inside, or there is no such host.
    """
    parts = urlsplit(proxy)
    host = parts.hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    address = guard.check(f"http://{bracketed}:{parts.port or 1080}/").addresses[0]
    login, at, _ = parts.netloc.rpartition("@")
    bracketed = f"[{address}]" if ":" in address else address
    return f"{parts.scheme}://{login}{at}{bracketed}:{parts.port or 1080}"
