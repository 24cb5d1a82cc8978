"""REST as load clients speak it: sent again until somebody answers, since the machine is under fire."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import httpx2

#: Seconds between two tries.
_PAUSE = 0.2


class Rest:
    """One pool of connections for all clients."""

    def __init__(self) -> None:
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=50)
        self._client = httpx2.AsyncClient(timeout=10, trust_env=False, limits=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def once(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        form: dict[str, Any] | None = None,
    ) -> httpx2.Response | None:
        """The answer; None where the connection broke or nobody answered: the request may have had its effect."""
        try:
            return await self._client.request(method, url, json=body, headers=headers, **(form or {}))
        except httpx2.HTTPError:
            return None

    async def insist(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        form: dict[str, Any] | None = None,
    ) -> tuple[httpx2.Response, int]:
        """The first answer that says yes or no, and how many tries it took: only for what may be repeated.

        `form` has `data` and `files` in place of the `body`, which is JSON.
        """
        tries = 0
        while True:
            tries += 1
            answer = await self.once(method, url, body, headers, form)
            if answer is not None and answer.status_code < 500 and answer.status_code != 429:
                return answer, tries
            await asyncio.sleep(_PAUSE)
