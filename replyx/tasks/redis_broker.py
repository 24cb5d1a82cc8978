"""dramatiq on Redis as ReplyX needs it: tasks start at once, a dead worker's come back, and Redis may go away."""

# The classes of dramatiq that are extended here carry no annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

import redis
from dramatiq import Message, MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import BrokerConnectionError, ConnectionClosed, DecodeError

from replyx.events.redis_bus import channel_of, encode, new_sender
from replyx.events.redis_link import Pause, open_redis
from replyx.tasks.names import wake_topic

logger = logging.getLogger(__name__)

#: Milliseconds of silence after which a worker counts as dead and its tasks are given to others. Redelivery is part
#: of every command, as dramatiq's dice would leave it to chance: with them it took more than 25 minutes.
_HEARTBEAT_MS, _ALWAYS = 5000, 1_000_000

#: What a lost or silent Redis looks like.
_FAILURES = (redis.RedisError, OSError, BrokerConnectionError)


class SharedBroker(RedisBroker):
    """Wakes consumers over the bus; keeps tasks in this process while Redis is away, if its worker is here."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            ConfigError: the URL is not one of Redis.
        """
        super().__init__(
            client=open_redis(url),
            middleware=[],
            namespace="replyx",
            heartbeat_timeout=_HEARTBEAT_MS,
            maintenance_chance=_ALWAYS,
        )
        self.pause = Pause()
        self._sender = new_sender()
        self._bells: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._kept: dict[str, deque[Message[Any]]] = {}

    @property
    def consumer_class(self) -> type[PromptConsumer]:
        return PromptConsumer

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Enqueue and wake a worker.

        Raises:
            ConnectionClosed: Redis is away, and no worker of this process could be given the task.
        """
        if self.pause.may_try():
            try:
                queued = super().enqueue(message, delay=delay)
                self.client.publish(channel_of(wake_topic(message.queue_name)), encode(self._sender, {}))
            except _FAILURES:
                self.note_failure()
            else:
                self.note_success()
                return queued
        if self._keep(message):
            return message
        raise ConnectionClosed("Redis is away")

    def wake(self, queue_name: str) -> None:
        """Let this process look into the queue now."""
        self._bells[queue_name].set()

    def bell(self, queue_name: str) -> threading.Event:
        """What a consumer of the queue waits on. From the first time on, a worker of the queue is in this process."""
        self._kept.setdefault(queue_name, deque())
        return self._bells[queue_name]

    def next_kept(self, queue_name: str) -> Message[Any] | None:
        """A task that was kept here because Redis was away."""
        try:
            return self._kept[queue_name].popleft()
        except IndexError:
            return None

    def note_failure(self) -> None:
        """Redis did not answer; say so once."""
        if self.pause.failed():
            logger.warning("the queue has lost Redis: tasks wait for a sweeper")

    def note_success(self) -> None:
        """Redis answered; say so where it had been away."""
        if self.pause.worked():
            logger.info("the queue has Redis back")

    def close(self) -> None:
        self.client.close()

    def _keep(self, message: Message[Any]) -> bool:
        kept = self._kept.get(message.queue_name)
        if kept is None:
            return False
        # Sweepers repeat themselves while a task waits: once is enough.
        if not any(other.actor_name == message.actor_name and other.args == message.args for other in tuple(kept)):
            kept.append(message)
        self.wake(message.queue_name)
        return True


class PromptConsumer(_RedisConsumer):
    """Waits for the bell instead of dramatiq's growing pauses, and outlives an absent Redis."""

    def __init__(self, broker: SharedBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        """`timeout` is in milliseconds: how often to look although no bell rang."""
        # No pause of dramatiq's own: `__next__` waits.
        super().__init__(broker, queue_name, prefetch, timeout=0)
        self._shared = broker
        self._idle = timeout / 1000
        self._bell = broker.bell(queue_name)

    def __next__(self) -> MessageProxy | None:
        # Cleared before looking: a bell that rings from here on is not missed.
        self._bell.clear()
        message = self._look()
        if message is None:
            self._bell.wait(self._idle)
        return message

    def ack(self, message: MessageProxy) -> None:
        self._settle(message, super().ack)

    def nack(self, message: MessageProxy) -> None:
        self._settle(message, super().nack)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        try:
            super().requeue([message for message in messages if "redis_message_id" in message.options])
        except _FAILURES:
            self._shared.note_failure()

    def _look(self) -> MessageProxy | None:
        if self.message_cache:
            return self._fetch()
        if self.outstanding_message_count >= self.prefetch:
            return None
        kept = self._shared.next_kept(self.queue_name)
        if kept is not None:
            self.queued_message_ids.add(kept.message_id)
            return MessageProxy(kept)
        if not self._shared.pause.may_try():
            return None
        try:
            message = self._fetch()
        except _FAILURES:
            self._shared.note_failure()
            return None
        self._shared.note_success()
        return message

    def _fetch(self) -> MessageProxy | None:
        try:
            message: MessageProxy | None = super().__next__()
        except DecodeError:
            # It stays with this worker in Redis: nobody reads it while this one lives.
            logger.error("something in the queue is no task", extra={"queue": self.queue_name})
            return None
        return message

    def _settle(self, message: MessageProxy, settle: Any) -> None:
        """Tell Redis that the task is over. Where it cannot hear it, the task may come again, and finds nothing to do:
        waiting for Redis here, as dramatiq would, would take the thread from other answers."""
        try:
            if "redis_message_id" in message.options:
                settle(message)
        except _FAILURES:
            self._shared.note_failure()
        finally:
            self.queued_message_ids.discard(message.message_id)
            # There is room for another task.
            self._bell.set()
