"""The bus of one process: listeners are called in the publisher's thread."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict

from replyx.events.bus import Listener
from replyx.types import Json

logger = logging.getLogger(__name__)


class MemorySubscription:
    """A listener's place in a `LocalListeners`."""

    def __init__(self, owner: LocalListeners, topic: str, listener: Listener) -> None:
        self._owner, self._topic, self._listener = owner, topic, listener

    def close(self) -> None:
        self._owner.remove(self._topic, self._listener)


class LocalListeners:
    """Listeners of this process by topic; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_topic: dict[str, list[Listener]] = defaultdict(list)

    def add(self, topic: str, listener: Listener) -> bool:
        """True where this is the topic's first listener."""
        with self._lock:
            self._by_topic[topic].append(listener)
            return len(self._by_topic[topic]) == 1

    def remove(self, topic: str, listener: Listener) -> bool:
        """True where this was the topic's last listener."""
        with self._lock:
            rows = self._by_topic.get(topic, [])
            if listener in rows:
                rows.remove(listener)
            if not rows:
                return self._by_topic.pop(topic, None) is not None
            return False

    def call(self, topic: str, payload: Json) -> None:
        with self._lock:
            rows = tuple(self._by_topic.get(topic, ()))
        for listener in rows:
            try:
                listener(payload)
            except Exception:
                logger.exception("a listener of the bus failed", extra={"topic": topic})

    def topics(self) -> list[str]:
        with self._lock:
            return list(self._by_topic)

    def clear(self) -> None:
        with self._lock:
            self._by_topic.clear()


class MemoryBus:
    """`Bus` for everything in one process."""

    is_connected = True

    def __init__(self) -> None:
        self._listeners = LocalListeners()

    def publish(self, topic: str, payload: Json) -> None:
        self._listeners.call(topic, payload)

    def subscribe(self, topic: str, listener: Listener) -> MemorySubscription:
        self._listeners.add(topic, listener)
        return MemorySubscription(self._listeners, topic, listener)

    def close(self) -> None:
        self._listeners.clear()
