"""The threads that take tasks from one queue: dramatiq's worker inside this process, without its command line."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import dramatiq
from dramatiq.errors import DramatiqError
from dramatiq.worker import Worker

from replyx.events.bus import Bus, Subscription
from replyx.tasks.broker import Wakeable
from replyx.tasks.direct_broker import DirectBroker
from replyx.tasks.names import wake_topic

logger = logging.getLogger(__name__)

#: Milliseconds between looks into a queue that rang no bell, and between a thread's looks whether it should end.
LOOK_MS = 250


class TaskThreads:
    """Runs the tasks of one queue in `threads` threads until it is stopped."""

    def __init__(self, broker: dramatiq.Broker, bus: Bus, queue: str, threads: int) -> None:
        """Start at once."""
        self._bell: Subscription | None = None
        self._worker: _Direct | _Dramatiq
        if isinstance(broker, DirectBroker):
            self._worker = _Direct(broker, queue, threads)
            return
        self._worker = _Dramatiq(broker, queue, threads)
        if isinstance(broker, Wakeable):
            self._bell = bus.subscribe(wake_topic(queue), lambda _payload: broker.wake(queue))
        self._worker.start()

    @property
    def takes_tasks(self) -> bool:
        """Whether a task that is sent now would be begun here."""
        return self._worker.takes_tasks

    def stop(self, seconds: float) -> None:
        """Take nothing new, give running tasks `seconds` to end, give back what was taken and not begun."""
        if self._bell is not None:
            self._bell.close()
        self._worker.stop(int(seconds * 1000))


class _Dramatiq(Worker):
    """dramatiq's own worker."""

    def __init__(self, broker: dramatiq.Broker, queue: str, threads: int) -> None:
        super().__init__(broker, queues={queue}, worker_timeout=LOOK_MS, worker_threads=threads)
        # Tasks last seconds: what one process takes before it can run it, another could run at once.
        self.queue_prefetch = threads

    @property
    def takes_tasks(self) -> bool:
        return any(thread.running for thread in self.workers)


class _Direct:
    """Threads that wait where a process's own tasks are put."""

    def __init__(self, broker: DirectBroker, queue: str, threads: int) -> None:
        """Start at once."""
        self._broker, self._line = broker, broker.line(queue)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{queue}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def takes_tasks(self) -> bool:
        return not self._stopping.is_set()

    def stop(self, timeout: int) -> None:
        """Let threads that are at work end within `timeout` milliseconds; what they have not begun waits on."""
        self._stopping.set()
        for _ in self._threads:
            self._line.put(None)
        end = time.monotonic() + timeout / 1000
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while not self._stopping.is_set():
            task = self._line.get()
            if not isinstance(task, dramatiq.Message):
                # It woke somebody up who was to end: this one, or one that had other work.
                continue
            if self._stopping.is_set():
                self._line.put(task)
                return
            self._do(task)

    def _do(self, task: dramatiq.Message[Any]) -> None:
        try:
            actor = self._broker.get_actor(task.actor_name)
        except DramatiqError:
            logger.error("a task has no actor here; a sweeper will find it", extra={"task": task.actor_name})
            return
        actor.fn(*task.args)
