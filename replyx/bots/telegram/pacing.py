"""How fast a bot may speak: one message a second in a chat, twenty a minute in a group, thirty a second over all."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

CHAT_SECONDS = 1.0
GROUP_A_MINUTE = 20
BOT_A_SECOND = 30

#: Chats that are remembered before the idle ones are forgotten.
_REMEMBERED = 4096


class Pace:
    """One bot's. Turns are given in the order in which they are asked for, in each chat."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`now` is a monotonic clock in seconds, `sleep` waits on it."""
        self._now, self._sleep = now, sleep
        #: When the next message may go out, and what went out to groups within a minute.
        self._next: dict[int, float] = {}
        self._held: dict[int, float] = {}
        self._groups: dict[int, deque[float]] = {}
        self._recent: deque[float] = deque()

    async def turn(self, chat_id: int) -> None:
        """Wait until a message may go out to the chat; it counts as sent."""
        await self._until(self._reserve(chat_id))
        while (rest := self._held.get(chat_id, 0.0) - self._now()) > 0:
            await self._sleep(rest)
        while (rest := self._over_all()) > 0:
            await self._sleep(rest)
        now = self._now()
        self._recent.append(now)
        # Whatever the turn waited for: the next one is a second after this one.
        self._next[chat_id] = max(self._next.get(chat_id, 0.0), now + CHAT_SECONDS)

    async def until_free(self, chat_id: int) -> None:
        """Wait until a message could go out to the chat at once; it takes no turn."""
        while (rest := max(self._earliest(chat_id) - self._now(), self._over_all())) > 0:
            await self._sleep(rest)

    def try_turn(self, chat_id: int) -> bool:
        """Take a turn if there is one at once: for what may be left out."""
        is_free = self._earliest(chat_id) <= self._now() and self._over_all() <= 0
        if is_free:
            self._reserve(chat_id)
            self._recent.append(self._now())
        return is_free

    def hold(self, chat_id: int, seconds: float) -> None:
        """Telegram wants this chat to wait; others go on."""
        self._held[chat_id] = max(self._held.get(chat_id, 0.0), self._now() + seconds)

    def _earliest(self, chat_id: int) -> float:
        sent = self._groups.get(chat_id)
        full = sent[0] + 60.0 if sent is not None and len(sent) == GROUP_A_MINUTE else 0.0
        return max(self._next.get(chat_id, 0.0), self._held.get(chat_id, 0.0), full)

    def _reserve(self, chat_id: int) -> float:
        """When the chat's next turn is; it is taken."""
        now = self._now()
        if len(self._next) >= _REMEMBERED:
            self._forget(now)
        at = max(now, self._earliest(chat_id))
        self._next[chat_id] = at + CHAT_SECONDS
        if chat_id < 0:
            self._groups.setdefault(chat_id, deque(maxlen=GROUP_A_MINUTE)).append(at)
        return at

    def _over_all(self) -> float:
        """Seconds until the bot may speak at all."""
        now = self._now()
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        return self._recent[0] + 1.0 - now if len(self._recent) >= BOT_A_SECOND else 0.0

    def _forget(self, now: float) -> None:
        self._next = {chat: at for chat, at in self._next.items() if at > now}
        self._held = {chat: at for chat, at in self._held.items() if at > now}
        self._groups = {chat: sent for chat, sent in self._groups.items() if sent[-1] > now - 60.0}

    async def _until(self, at: float) -> None:
        rest = at - self._now()
        if rest > 0:
            await self._sleep(rest)
