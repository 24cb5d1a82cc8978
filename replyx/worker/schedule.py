"""What is done again and again: a table of jobs, and the thread that does them one after another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from replyx.clock import Clock

logger = logging.getLogger(__name__)

#: Seconds after which a job that keeps failing is logged again.
_REMIND_SECONDS = 60.0

#: Longest wait for the first run of a job, in seconds: rare jobs begin soon too, but not at the start.
_FIRST_RUN_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """`work` is to be done every `seconds`; frequent work also at the start."""

    name: str
    seconds: float
    work: Callable[[], object]


class Schedule:
    """One thread for a table of jobs. A job that fails is logged, and done again in its turn."""

    def __init__(self, name: str, jobs: Sequence[Job], clock: Clock, stop: threading.Event) -> None:
        """Start at once; ends when `stop` is set."""
        self._jobs, self._clock, self._stop = tuple(jobs), clock, stop
        start = clock.monotonic()
        self._due = {j.name: start + (0 if j.seconds < _FIRST_RUN_SECONDS else _FIRST_RUN_SECONDS) for j in jobs}
        self._logged: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name=f"schedule-{name}", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the job under way, at most `seconds`."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            for job in self._jobs:
                now = self._clock.monotonic()
                if now < self._due[job.name] or self._stop.is_set():
                    continue
                self._due[job.name] = now + job.seconds
                self._do(job)
            self._stop.wait(max(0.0, min(self._due.values()) - self._clock.monotonic()))

    def _do(self, job: Job) -> None:
        try:
            job.work()
        except Exception:
            now = self._clock.monotonic()
            if now - self._logged.get(job.name, -_REMIND_SECONDS) >= _REMIND_SECONDS:
                self._logged[job.name] = now
                logger.exception("a scheduled job failed", extra={"job": job.name})
        else:
            if self._logged.pop(job.name, None) is not None:
                logger.info("a scheduled job works again", extra={"job": job.name})
