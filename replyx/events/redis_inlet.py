"""The subscribed connection of a process: one thread reads it, reconnects for ever, and subscribes anew."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import redis

logger = logging.getLogger(__name__)

#: Always subscribed, so that the connection is in subscribed mode even while nobody listens.
_OWN_CHANNEL = "replyx"

#: Seconds without a word from Redis after which it is asked whether it lives, and again until it counts as lost.
_SILENCE = 2.0

#: Seconds between attempts to connect: the first, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class Change:
    """A change of what is subscribed: made under the inlet's lock, waited for outside of it."""

    def __init__(self, inlet: RedisInlet) -> None:
        self._inlet = inlet

    def subscribe(self, channel: str) -> None:
        self._inlet.start()
        self._inlet.send("SUBSCRIBE", channel)

    def unsubscribe(self, channel: str) -> None:
        self._inlet.send("UNSUBSCRIBE", channel)

    def wait(self, seconds: float) -> None:
        """Return when Redis has confirmed everything that was asked of it, when it is away, or after `seconds`."""
        self._inlet.wait_until_confirmed(seconds)


class RedisInlet:
    """Reads what Redis publishes. `on_message` and `on_resumed` are called in the reading thread."""

    def __init__(
        self,
        pool: redis.ConnectionPool,
        *,
        channels: Callable[[], list[str]],
        on_message: Callable[[str, bytes], None],
        on_resumed: Callable[[], None],
    ) -> None:
        """`channels` names everything that is to be subscribed on a new connection."""
        import redis

        self._failures = (redis.RedisError, OSError)
        self._pool, self._channels = pool, channels
        self._on_message, self._on_resumed = on_message, on_resumed
        #: Guards everything below, and every write to the connection: two commands must not mix.
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Any = None
        #: Channels that Redis was asked for on this connection, and confirmations that came. It answers in order.
        self._asked = self._confirmed = 0
        self._is_up = False
        self._failed_attempts = 0

    @property
    def is_started(self) -> bool:
        return self._thread is not None

    @property
    def is_up(self) -> bool:
        """True while everything that was asked for on connecting is subscribed."""
        return self._is_up

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """Change what is subscribed, together with the list that `channels` reads."""
        with self._changed:
            yield Change(self)

    def start(self) -> None:
        """Start reading, once. Only inside `changing()`."""
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, name="redis-bus", daemon=True)
            self._thread.start()

    def send(self, command: str, *channels: str) -> None:
        """Write a command, where there is a connection. Only inside `changing()`; the reading thread sees failures."""
        if self._connection is None:
            return
        try:
            self._connection.send_command(command, *channels, check_health=False)
        except self._failures:
            self._connection, self._is_up = None, False
            return
        if command == "SUBSCRIBE":
            self._asked += len(channels)

    def wait_until_confirmed(self, seconds: float) -> None:
        """See `Change.wait`. In the reading thread itself there is nothing to wait for."""
        if threading.current_thread() is self._thread:
            return
        with self._changed:
            connection, asked = self._connection, self._asked
            if connection is None:
                # A first connection is under way, or Redis is away and nothing is to be had.
                self._changed.wait_for(lambda: self._is_up or self._failed_attempts or not self._thread, seconds)
                return
            self._changed.wait_for(lambda: self._confirmed >= asked or self._connection is not connection, seconds)

    def close(self) -> None:
        """Stop reading; takes a moment at most, also where Redis is silent."""
        self._closing.set()
        with self._changed:
            self.send("PING")
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closing.is_set():
            was_up = self._attend()
            pause = _FIRST_PAUSE if was_up else min(pause * 2, _LONGEST_PAUSE)
            self._closing.wait(pause)

    def _attend(self) -> bool:
        """One connection from its beginning to its end; True where it had been in use."""
        connection = self._pool.connection_class(**self._pool.connection_kwargs)
        try:
            self._read(connection)
        except self._failures as error:
            if self._is_up or not self._failed_attempts:
                logger.warning("the bus has no Redis and tries until it has", extra={"error": str(error)})
        except Exception:
            logger.exception("the bus failed and connects anew")
        with self._changed:
            was_up, self._is_up, self._connection = self._is_up, False, None
            self._failed_attempts += 1
            self._changed.notify_all()
        connection.disconnect()
        return was_up

    def _read(self, connection: Any) -> None:
        connection.connect()
        with self._changed:
            self._connection, self._asked, self._confirmed = connection, 0, 0
            self.send("SUBSCRIBE", _OWN_CHANNEL, *self._channels())
            first = self._asked
        was_asked = False
        while not self._closing.is_set() and self._connection is connection:
            if connection.can_read(timeout=_SILENCE):
                self._take(connection.read_response(), first)
                was_asked = False
            elif was_asked:
                raise TimeoutError("Redis is silent")
            else:
                was_asked = True
                with self._changed:
                    self.send("PING")

    def _take(self, reply: Any, first: int) -> None:
        if not isinstance(reply, list):
            raise ConnectionError("the connection is not subscribed any more")
        if reply[0] == b"message":
            self._on_message(reply[1].decode(), reply[2])
        elif reply[0] == b"subscribe":
            with self._changed:
                self._confirmed += 1
                is_new = self._confirmed == first
                was_away = is_new and self._failed_attempts > 0
                if is_new:
                    self._is_up, self._failed_attempts = True, 0
                self._changed.notify_all()
            if was_away:
                logger.info("the bus is back")
                self._on_resumed()
