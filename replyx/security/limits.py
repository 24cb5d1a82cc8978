"""Rate limits: how often a key may do something in a fixed window, in this process or shared through Redis."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from replyx.clock import Clock

logger = logging.getLogger(__name__)

#: Keys that one process remembers at most; the oldest are forgotten first.
MOST_KEYS = 200_000

#: Seconds for which a Redis that failed is not asked again, so that requests do not queue behind its timeout.
_PAUSE = 2.0

#: Seconds that one request may wait for Redis.
_PATIENCE = 0.5

#: Longer keys are replaced by their hash: they may hold what a stranger typed.
_LONGEST_KEY = 100

#: Count and set the window's end in one step, so that no two processes can both be the last one allowed.
_SCRIPT = """
local n = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {n, left}
"""


@dataclass(frozen=True)
class LimitState:
    """Where a key stands after a hit. `reset_at` is in seconds since 1970, `retry_after` in seconds (0: go ahead)."""

    limit: int
    remaining: int
    reset_at: int
    allowed: bool
    retry_after: int


class Limiter(Protocol):
    """Counts hits."""

    def hit(self, key: str, limit: int, window_seconds: int) -> LimitState:
        """Count one hit of `key`; the window begins with its first hit. Hits over the limit count as well."""


class MemoryLimiter:
    """Counts in this process; safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: Key → hits and the monotonic end of its window, in the order in which the windows began.
        self._windows: dict[str, tuple[int, float]] = {}

    def hit(self, key: str, limit: int, window_seconds: int) -> LimitState:
        key, now = _short(key), self._clock.monotonic()
        with self._lock:
            hits, end = self._windows.get(key, (0, 0.0))
            if end <= now:
                self._windows.pop(key, None)
                self._make_room(now)
                hits, end = 0, now + window_seconds
            self._windows[key] = (hits + 1, end)
        return _state(self._clock, limit, hits + 1, end - now)

    def _make_room(self, now: float) -> None:
        if len(self._windows) < MOST_KEYS:
            return
        living = [(key, row) for key, row in self._windows.items() if row[1] > now]
        # A tenth at once: a flood of new keys must not pay for this at every hit.
        self._windows = dict(living[-(MOST_KEYS - MOST_KEYS // 10) :])


class RedisLimiter:
    """Counts in Redis for all processes. While Redis is away each process counts for itself."""

    def __init__(self, redis_url: str, clock: Clock) -> None:
        """Prepare a client; nothing is opened yet."""
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as Disconnected
        from redis.retry import Retry

        self._clock = clock
        self._fallback = MemoryLimiter(clock)
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            # Once more after a broken connection; after a timeout the hit may have been counted.
            retry=Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
        )
        self._script = self._redis.register_script(_SCRIPT)
        #: Until when Redis is not asked, on the monotonic clock; 0 while it is well.
        self._away_until = 0.0

    def hit(self, key: str, limit: int, window_seconds: int) -> LimitState:
        if self._away_until <= self._clock.monotonic():
            counted = self._count(_short(key), window_seconds)
            if counted is not None:
                hits, left = counted
                return _state(self._clock, limit, hits, left / 1000)
        return self._fallback.hit(key, limit, window_seconds)

    def close(self) -> None:
        """Close the connections to Redis."""
        self._redis.close()

    def _count(self, key: str, window_seconds: int) -> tuple[int, int] | None:
        from redis.exceptions import RedisError

        try:
            answer: Any = self._script(keys=[f"replyx:limit:{key}"], args=[window_seconds * 1000])
        except (RedisError, OSError) as error:
            if not self._away_until:
                logger.warning(
                    "Redis is away; each process counts its own limits", extra={"cause": type(error).__name__}
                )
            self._away_until = self._clock.monotonic() + _PAUSE
            return None
        if self._away_until:
            logger.info("Redis is back; limits are shared again")
            self._away_until = 0.0
        return int(answer[0]), int(answer[1])


def _state(clock: Clock, limit: int, hits: int, seconds_left: float) -> LimitState:
    allowed = hits <= limit
    return LimitState(
        limit=limit,
        remaining=max(0, limit - hits),
        reset_at=math.ceil(clock.now().timestamp() + seconds_left),
        allowed=allowed,
        retry_after=0 if allowed else max(1, math.ceil(seconds_left)),
    )


def _short(key: str) -> str:
    if len(key) <= _LONGEST_KEY and key.isascii():
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
