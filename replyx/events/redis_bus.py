"""The bus of several processes: Redis pub/sub, one subscribed connection a process, local listeners called directly."""

from __future__ import annotations

import json
import logging
import threading
from uuid import uuid4

from replyx.events.bus import Listener
from replyx.events.catalogue import BUS_RESUMED, CONTROL
from replyx.events.memory import LocalListeners
from replyx.events.redis_inlet import RedisInlet
from replyx.events.redis_link import Pause, open_redis
from replyx.types import Json

logger = logging.getLogger(__name__)

_PREFIX = "replyx:"


def channel_of(topic: str) -> str:
    """The Redis channel of a topic."""
    return _PREFIX + topic


def new_sender() -> bytes:
    """A name for one sender, by which it knows its own messages when Redis brings them back."""
    return uuid4().hex.encode()


def encode(sender: bytes, payload: Json) -> bytes:
    """What is sent over a channel: the sender's name, then the payload.

    Raises:
        TypeError, ValueError: the payload is not JSON.
    """
    return sender + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


class RedisBusSubscription:
    """A listener's place on a `RedisBus`."""

    def __init__(self, owner: RedisBus, topic: str, listener: Listener) -> None:
        self._owner, self._topic, self._listener = owner, topic, listener
        self._lock = threading.Lock()
        self._is_closed = False

    def close(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._owner.remove(self._topic, self._listener)


class RedisBus:
    """`Bus` over Redis pub/sub.

    A message that is published while Redis is away reaches the listeners of this process only. When the connection is
    back, local listeners of `CONTROL` get `{"kind": "bus_resumed"}`: what was missed is in the record.
    """

    def __init__(self, url: str) -> None:
        """Nothing is connected before the first `publish` or `subscribe`.

        Raises:
            ConfigError: the URL is not one of Redis.
        """
        import redis

        self._failures = (redis.RedisError, OSError)
        self._redis = open_redis(url)
        self._sender = new_sender()
        self._pause = Pause()
        self._listeners = LocalListeners()
        self._inlet = RedisInlet(
            self._redis.connection_pool,
            channels=lambda: [channel_of(topic) for topic in self._listeners.topics()],
            on_message=self._received,
            on_resumed=self._resumed,
        )
        self._is_closed = False

    @property
    def is_connected(self) -> bool:
        return not self._pause.is_on and (self._inlet.is_up or not self._inlet.is_started)

    def publish(self, topic: str, payload: Json) -> None:
        self._listeners.call(topic, payload)
        if self._is_closed or not self._pause.may_try():
            return
        try:
            self._redis.publish(channel_of(topic), encode(self._sender, payload))
        except self._failures:
            if self._pause.failed():
                logger.warning("Redis cannot be reached: other processes learn the news from the database")
        except (TypeError, ValueError):
            logger.exception("a payload of the bus is not JSON", extra={"topic": topic})
        else:
            if self._pause.worked():
                logger.info("Redis can be reached again")

    def subscribe(self, topic: str, listener: Listener) -> RedisBusSubscription:
        """Call `listener` for every payload from now on: returns once Redis knows, at the latest after 1 s."""
        with self._inlet.changing() as change:
            if self._listeners.add(topic, listener):
                change.subscribe(channel_of(topic))
        change.wait(seconds=1.0)
        return RedisBusSubscription(self, topic, listener)

    def remove(self, topic: str, listener: Listener) -> None:
        """Forget a listener; for its subscription."""
        with self._inlet.changing() as change:
            if self._listeners.remove(topic, listener):
                change.unsubscribe(channel_of(topic))

    def close(self) -> None:
        self._is_closed = True
        self._listeners.clear()
        self._inlet.close()
        self._redis.close()

    def _received(self, channel: str, data: bytes) -> None:
        if data.startswith(self._sender):
            return
        topic = channel.removeprefix(_PREFIX)
        try:
            payload = json.loads(data[len(self._sender) :])
        except ValueError:
            logger.warning("something that is not ReplyX publishes on its channels", extra={"channel": channel})
            return
        if isinstance(payload, dict):
            self._listeners.call(topic, payload)

    def _resumed(self) -> None:
        self._pause.worked()
        self._listeners.call(CONTROL, {"kind": BUS_RESUMED})
