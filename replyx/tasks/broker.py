"""The broker behind the queue: dramatiq in memory, or on Redis where several processes share the work."""

from __future__ import annotations

import logging
from typing import Protocol, TypeAlias, runtime_checkable

import dramatiq
from dramatiq.errors import DramatiqError

from replyx.config.settings import Config
from replyx.tasks.names import QUEUES, queue_of

logger = logging.getLogger(__name__)

#: What carries tasks; the composition root holds one without knowing whose it is.
Broker: TypeAlias = dramatiq.Broker


@runtime_checkable
class Wakeable(Protocol):
    """A broker whose consumers look into a queue when they are told to; the one in memory needs no telling."""

    def wake(self, queue_name: str) -> None:
        """Let this process look into the queue now."""


def make_broker(config: Config) -> dramatiq.Broker:
    """The broker that the configuration asks for, with all queues; nothing is connected yet.

    It has no middleware: what is repeated, and how often, is written in rows, and no exception is ever thrown into a
    thread that may be inside a model's C code.

    Raises:
        ConfigError: the Redis URL cannot be used.
    """
    # What a task does is logged by its actor, an absent Redis by the broker of ours: once each.
    logging.getLogger("dramatiq").setLevel(logging.ERROR)
    broker: dramatiq.Broker
    if config.is_embedded:
        from replyx.tasks.direct_broker import DirectBroker

        broker = DirectBroker()
    else:
        from replyx.tasks.redis_broker import SharedBroker

        broker = SharedBroker(config.redis.url)
    for queue in QUEUES:
        broker.declare_queue(queue)
    return broker


class DramatiqQueue:
    """`TaskQueue` on a dramatiq broker; knows tasks by name, not their actors."""

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker

    def send(self, task: str, *args: int | str) -> None:
        try:
            queue = queue_of(task)
        except KeyError:
            logger.error("there is no such task", extra={"task": task})
            return
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=queue, actor_name=task, args=args, kwargs={}, options={}
        )
        try:
            self._broker.enqueue(message)
        except DramatiqError:
            logger.warning("a task was not queued; a sweeper will find it", extra={"task": task, "task_args": args})
