"""How ReplyX talks to Redis: short time-outs, one retry on a fresh connection, a pause after a failure."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from replyx.clock import Clock, SystemClock
from replyx.errors import ConfigError, ServiceUnavailable

if TYPE_CHECKING:
    import redis

#: Longest wait for Redis to accept a connection, and for each of its replies, in seconds.
TIMEOUT = 0.5


def open_redis(url: str) -> redis.Redis:
    """A client for `url`; nothing is connected yet. A broken connection is replaced once, a silent one is given up.

    Raises:
        ConfigError: the URL is not one of Redis.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        client: redis.Redis = redis.Redis.from_url(
            url,
            # Subscribed connections speak plain arrays in version 2; nothing here needs version 3.
            protocol=2,
            driver_info=None,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        )
    except ValueError as error:
        raise ConfigError(
            "redis.url: допустимо redis://хост:6379/0, rediss://… или unix://ПУТЬ.",
            "redis.url: redis://host:6379/0, rediss://… or unix://PATH.",
        ) from error
    return client


def memory_in_use(url: str) -> int:
    """Bytes that the Redis at `url` holds.

    Raises:
        ServiceUnavailable: it does not answer.
    """
    import redis

    client = open_redis(url)
    try:
        return int(client.info("memory")["used_memory"])
    except (redis.RedisError, OSError) as error:
        raise ServiceUnavailable("Redis не отвечает", "Redis does not answer") from error
    finally:
        client.close()


class Pause:
    """After a failure, a moment in which nobody tries: a dead Redis must not block every caller for its time-out."""

    def __init__(self, seconds: float = 0.5, clock: Clock | None = None) -> None:
        self._seconds, self._clock = seconds, clock or SystemClock()
        self._lock = threading.Lock()
        self._until: float | None = None

    @property
    def is_on(self) -> bool:
        """True from a failure until the next success."""
        return self._until is not None

    def may_try(self) -> bool:
        """False within the pause. After it one caller is let through to see, and the others keep waiting."""
        if self._until is None:
            return True
        with self._lock:
            now = self._clock.monotonic()
            if self._until is not None and now < self._until:
                return False
            if self._until is not None:
                self._until = now + self._seconds
            return True

    def failed(self) -> bool:
        """Begin the pause, or prolong it; True where this is the first failure after a success."""
        with self._lock:
            is_first = self._until is None
            self._until = self._clock.monotonic() + self._seconds
            return is_first

    def worked(self) -> bool:
        """End the pause; True where there was one."""
        if self._until is None:
            return False
        with self._lock:
            was_on, self._until = self._until is not None, None
            return was_on
