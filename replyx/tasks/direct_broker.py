"""The queue of one process: dramatiq's broker in memory, whose tasks go straight to the thread that does them."""

# The classes of dramatiq that are extended here carry no annotations.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections import defaultdict
from queue import SimpleQueue
from typing import Any

from dramatiq import Message
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import QueueNotFound


class DirectBroker(StubBroker):
    """No thread stands between a sender and a worker, and no task is written out to be read again."""

    def __init__(self) -> None:
        super().__init__(middleware=[])
        self._lines: defaultdict[str, SimpleQueue[Any]] = defaultdict(SimpleQueue)

    def line(self, queue_name: str) -> SimpleQueue[Any]:
        """Where a queue's tasks wait. Whoever waits there too may put in what is no `Message`, for itself."""
        return self._lines[queue_name]

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Raises QueueNotFound."""
        if message.queue_name not in self.queues:
            raise QueueNotFound(message.queue_name)
        self.line(message.queue_name).put(message)
        return message
