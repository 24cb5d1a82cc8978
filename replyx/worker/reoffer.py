"""Documents that wait without a hint are offered to the queue again, each now and then."""

from __future__ import annotations

from collections.abc import Callable

from replyx.clock import Clock
from replyx.tasks.names import DOCUMENT_INGEST
from replyx.tasks.queue import TaskQueue

#: Seconds after which a document that still waits is offered again: a long queue is not to fill with the same hints.
AGAIN_SECONDS = 10.0


class DocumentOffers:
    """Remembers what was offered when."""

    def __init__(self, due: Callable[[], list[int]], queue: TaskQueue, clock: Clock) -> None:
        """`due` names the documents that wait for a worker."""
        self._due, self._queue, self._clock = due, queue, clock
        self._offered: dict[int, float] = {}

    def offer(self) -> None:
        """Offer what waits and was not offered lately."""
        now = self._clock.monotonic()
        waiting = self._due()
        recent = {i: at for i, at in self._offered.items() if i in set(waiting) and now - at < AGAIN_SECONDS}
        for document_id in waiting:
            if document_id not in recent:
                recent[document_id] = now
                self._queue.send(DOCUMENT_INGEST, document_id)
        self._offered = recent
