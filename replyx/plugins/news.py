"""Telling plugins what happened, each on a thread of its own: a slow one delays nobody."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from replyx.clock import Clock

logger = logging.getLogger(__name__)

#: News that wait for one plugin at most; what comes then is dropped.
_MOST_WAITING = 1000

#: Seconds that one call may take before its thread is given up.
_CALL_SECONDS = 30.0

#: Threads of one plugin that are given up before it is told nothing any more.
_MOST_STUCK = 3

#: Seconds between two log lines about dropped news.
_REMIND_SECONDS = 60.0


class Listener:
    """The thread of one plugin. It starts with the first news and ends with the process."""

    def __init__(self, plugin: str, clock: Clock, call_seconds: float = _CALL_SECONDS) -> None:
        self._plugin, self._clock, self._call_seconds = plugin, clock, call_seconds
        self._waiting: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition()
        #: Which thread may work; an older one that comes back ends.
        self._turn = 0
        self._running = False
        self._busy_since: float | None = None
        self._stuck = 0
        self._reminded = float("-inf")
        self._closed = False

    def tell(self, call: Callable[[], object]) -> None:
        """Let the plugin's thread make the call soon; returns at once."""
        with self._changed:
            if self._closed or not self._has_thread():
                return
            if len(self._waiting) >= _MOST_WAITING:
                self._remind()
                return
            self._waiting.append(call)
            self._changed.notify()

    def close(self) -> None:
        """Tell nothing any more. A call under way is not waited for."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _has_thread(self) -> bool:
        """Whether a thread works, perhaps a new one in place of one that is stuck; under the lock."""
        since = self._busy_since
        if self._running and since is not None and self._clock.monotonic() - since > self._call_seconds:
            self._stuck, self._running = self._stuck + 1, False
            logger.error("a plugin is stuck", extra={"plugin": self._plugin, "times": self._stuck})
        if self._stuck >= _MOST_STUCK:
            return False
        if not self._running:
            self._turn, self._running, self._busy_since = self._turn + 1, True, None
            name = f"plugin-{self._plugin}"
            threading.Thread(target=self._work, args=(self._turn,), name=name, daemon=True).start()
        return True

    def _work(self, turn: int) -> None:
        while (call := self._next(turn)) is not None:
            try:
                call()
            except Exception:
                logger.exception("a plugin failed at news", extra={"plugin": self._plugin})

    def _next(self, turn: int) -> Callable[[], object] | None:
        """The next call for the thread of `turn`; None where it is to end."""
        with self._changed:
            if turn != self._turn:
                return None
            self._busy_since = None
            while not self._waiting:
                if self._closed or turn != self._turn:
                    return None
                self._changed.wait()
            self._busy_since = self._clock.monotonic()
            return self._waiting.popleft()

    def _remind(self) -> None:
        now = self._clock.monotonic()
        if now - self._reminded >= _REMIND_SECONDS:
            self._reminded = now
            logger.error("a plugin is too slow, news for it are dropped", extra={"plugin": self._plugin})
