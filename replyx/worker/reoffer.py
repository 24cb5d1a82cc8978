"""Work that waits in the database without a hint is offered to the queue again, each piece now and then."""

from __future__ import annotations

from collections.abc import Callable

from replyx.clock import Clock
from replyx.tasks.queue import TaskQueue

#: Seconds after which what still waits is offered again: a long queue is not to fill with the same hints.
AGAIN_SECONDS = 10.0


class Offers:
    """Remembers what was offered when."""

    def __init__(self, task: str, due: Callable[[], list[int]], queue: TaskQueue, clock: Clock) -> None:
        """`due` names what waits for a worker to do `task` with it."""
        self._task, self._due, self._queue, self._clock = task, due, queue, clock
        self._offered: dict[int, float] = {}

    def offer(self) -> None:
        """Offer what waits and was not offered lately."""
        now = self._clock.monotonic()
        waiting = self._due()
        recent = {i: at for i, at in self._offered.items() if i in set(waiting) and now - at < AGAIN_SECONDS}
        for number in waiting:
            if number not in recent:
                recent[number] = now
                self._queue.send(self._task, number)
        self._offered = recent
