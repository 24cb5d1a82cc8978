"""The threads that take tasks from one queue: dramatiq's worker inside this process, without its command line."""

from __future__ import annotations

import dramatiq
from dramatiq.worker import Worker

from replyx.events.bus import Bus, Subscription
from replyx.tasks.broker import Wakeable
from replyx.tasks.names import wake_topic

#: Milliseconds between looks into a queue that rang no bell, and between a thread's looks whether it should end.
_LOOK_MS = 250


class TaskThreads:
    """Runs the tasks of one queue in `threads` threads until it is stopped."""

    def __init__(self, broker: dramatiq.Broker, bus: Bus, queue: str, threads: int) -> None:
        """Start at once."""
        self._worker = Worker(broker, queues={queue}, worker_timeout=_LOOK_MS, worker_threads=threads)
        # Tasks last seconds: what one process takes before it can run it, another could run at once.
        self._worker.queue_prefetch = threads
        self._bell: Subscription | None = None
        if isinstance(broker, Wakeable):
            self._bell = bus.subscribe(wake_topic(queue), lambda _payload: broker.wake(queue))
        self._worker.start()

    def stop(self, seconds: float) -> None:
        """Take nothing new, give running tasks `seconds` to end, give back what was taken and not begun."""
        if self._bell is not None:
            self._bell.close()
        self._worker.stop(timeout=int(seconds * 1000))
