"""HTTP toward Telegram: aiogram's session without its trust: answers are capped, redirects refused, errors hold no URL.

A bot's token stands in every address of the Bot API, so no error text and no redirect may carry one on.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import Any, cast

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import ClientDecodeError, TelegramNetworkError, TelegramServerError
from aiogram.methods import GetFile, GetUpdates, TelegramMethod
from aiogram.methods.base import TelegramType
from aiohttp import ClientError, ClientResponse, ClientTimeout
from aiohttp_socks import ProxyError

from replyx.bots.telegram.addresses import GuardedResolver, checked_proxy
from replyx.bots.telegram.importing import build
from replyx.security.outgoing import OutgoingUrls

#: Largest answer of a method, in bytes, after decompression: a hundred updates are below 1 MiB.
LARGEST_ANSWER = 8 * 1024 * 1024

#: Seconds for a call, for connecting, and what a long poll may take over the seconds that it asked for.
CALL_SECONDS, CONNECT_SECONDS, POLL_MARGIN = 30.0, 10.0, 10.0

_PIECE = 65_536

#: What the network may fail with; the text of such errors may hold the address, and is dropped.
_FAILURES = (ClientError, OSError, asyncio.TimeoutError, ProxyError, ValueError)


@dataclass(frozen=True)
class Route:
    """How a bot reaches Telegram. `is_guarded` where a tenant chose it: then it may not lead inside."""

    api_base: str
    proxy: str = ""
    is_guarded: bool = False


class BotSession(AiohttpSession):
    """One pool of connections along one route, shared by its bots."""

    def __init__(self, route: Route, guard: OutgoingUrls) -> None:
        """Raises AddressRefused, FetchFailed: a tenant's address that may not be called."""
        api = TelegramAPIServer.from_base(route.api_base.rstrip("/"))
        super().__init__(api=api, limit=0, timeout=CALL_SECONDS)
        #: Set at the end: what still calls then must not open new connections that nobody closes.
        self.is_over = False
        # Long polls of hundreds of bots are open at once: a limit would keep messages from being sent.
        self._connector_init["ttl_dns_cache"] = 60
        if route.proxy:
            self._setup_proxy_connector(checked_proxy(route.proxy, guard) if route.is_guarded else route.proxy)
            self._connector_init["limit"] = 0
        elif route.is_guarded:
            guard.check(route.api_base)
            self._connector_init["resolver"] = GuardedResolver(guard)

    async def make_request(
        self, bot: Bot, method: TelegramMethod[TelegramType], timeout: int | None = None
    ) -> TelegramType:
        """Call a method; as aiogram's own, and TelegramNetworkError also for a redirect or an answer over 8 MiB."""
        status, text = await self._answer(bot, method, self.timeout if timeout is None else timeout)
        return cast(TelegramType, self._checked(bot, method, status, text).result)

    async def raw_updates(self, bot: Bot, offset: int | None, seconds: int, kinds: list[str]) -> list[dict[str, Any]]:
        """The next updates as they came, at most a hundred, each with its `update_id`; waits up to `seconds` for one.

        One update that no one understands must not hold up the others, so that nothing is read into types here.

        Raises:
            TelegramAPIError, ClientDecodeError: as any method.
        """
        method = GetUpdates(offset=offset, limit=100, timeout=seconds, allowed_updates=kinds)
        status, text = await self._answer(bot, method, seconds + POLL_MARGIN)
        try:
            answer = json.loads(text)
            updates = answer["result"] if answer["ok"] is True and status == 200 else None
        except (ValueError, TypeError, KeyError, RecursionError):
            updates = None
        if not isinstance(updates, list) or not all(_is_update(update) for update in updates):
            self._checked(bot, method, status, text)
            raise TelegramNetworkError(method=method, message="the answer holds no updates")
        return updates

    async def download(self, bot: Bot, path: str, largest: int) -> AsyncGenerator[bytes, None]:
        """The content of a file that `getFile` told the path of, piece by piece.

        Raises:
            TelegramNetworkError: it could not be had, or is larger than `largest` bytes.
        """
        method, size = GetFile(file_id=""), 0
        if self.is_over:
            raise TelegramNetworkError(method=method, message="the bot manager ends")
        session = await self.create_session()
        try:
            async with session.get(
                self.api.file_url(bot.token, path), timeout=_timeout(120.0), allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise TelegramNetworkError(method=method, message=f"the file was answered with {response.status}")
                async for piece in response.content.iter_chunked(_PIECE):
                    size += len(piece)
                    if size > largest:
                        raise TelegramNetworkError(method=method, message="the file is larger than it may be")
                    yield piece
        except _FAILURES as error:
            raise TelegramNetworkError(method=method, message=type(error).__name__) from None

    def _checked(self, bot: Bot, method: TelegramMethod[Any], status: int, text: str) -> Any:
        """aiogram's reading of an answer, with an error of its tree for each that is none."""
        build(method.__returning__)
        try:
            return self.check_response(bot=bot, method=method, status_code=status, content=text)
        except (ClientDecodeError, TypeError, RecursionError):
            # Gateways before Telegram answer pages, not JSON. What they say stays out of errors and logs.
            if status >= 500:
                raise TelegramServerError(method=method, message=f"HTTP {status}") from None
            raise TelegramNetworkError(method=method, message=f"no answer of a Bot API (HTTP {status})") from None

    async def _answer(self, bot: Bot, method: TelegramMethod[Any], seconds: float) -> tuple[int, str]:
        """Status and body.

        Raises:
            TelegramNetworkError: there was none that could be used.
        """
        if self.is_over:
            raise TelegramNetworkError(method=method, message="the bot manager ends")
        session = await self.create_session()
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        try:
            async with session.post(
                url, data=self.build_form_data(bot=bot, method=method), timeout=_timeout(seconds), allow_redirects=False
            ) as response:
                if 300 <= response.status < 400:
                    raise TelegramNetworkError(method=method, message="it redirects, which a Bot API does not")
                return response.status, (await _capped(response)).decode("utf-8", "replace")
        except TimeoutError:
            raise TelegramNetworkError(method=method, message="no answer in time") from None
        except _FAILURES as error:
            raise TelegramNetworkError(method=method, message=type(error).__name__) from None


async def _capped(response: ClientResponse) -> bytes:
    """The body, up to the cap. Raises ValueError over it."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise ValueError("the answer is too large")
    return bytes(body)


def _timeout(seconds: float) -> ClientTimeout:
    return ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)


def _is_update(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("update_id")) is int and 0 <= value["update_id"] < 2**63


class Sessions:
    """The sessions of one process: for each route one that polls and one that sends, so that neither waits."""

    def __init__(self, guard: OutgoingUrls) -> None:
        self._guard = guard
        self._known: dict[tuple[Route, str], BotSession] = {}
        self._lock = threading.Lock()

    def of(self, route: Route, purpose: str) -> BotSession:
        """The session of a route. `purpose` is `poll` or `send`. Raises AddressRefused, FetchFailed."""
        key = route, purpose
        known = self._known.get(key)
        if known is not None:
            return known
        # Bots are made in threads. One that is made in vain has no connection yet; two in use would leave one unclosed.
        made = BotSession(route, self._guard)
        with self._lock:
            return self._known.setdefault(key, made)

    async def keep(self, routes: Collection[Route]) -> None:
        """Close the connections along all other routes: nobody uses them any more."""
        with self._lock:
            unused = [self._known.pop(key) for key in list(self._known) if key[0] not in routes]
        for session in unused:
            session.is_over = True
        await asyncio.gather(*(session.close() for session in unused))

    async def close(self) -> None:
        """Close every connection."""
        await self.keep(())


class Backoff:
    """Seconds to wait after failures: they double from `first` up to `longest`, a quarter of them by chance."""

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest, self._failures = first, longest, 0

    def next(self) -> float:
        """How long to wait after one more failure."""
        self._failures += 1
        seconds = min(self._longest, self._first * 2 ** min(self._failures - 1, 30))
        return float(seconds * (0.75 + random.random() / 4))  # noqa: S311 - it spreads load, it keeps no secret

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
