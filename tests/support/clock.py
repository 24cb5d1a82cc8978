"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class MovableClock:
    """`replyx.clock.Clock` whose time is what the test says; it begins at 2025-09-01T10:00:00Z."""

    def __init__(self, start: datetime = datetime(2025, 9, 1, 10, 0, tzinfo=UTC)) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._passed = 0.0

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        with self._lock:
            return 1000.0 + self._passed

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both of its hands."""
        with self._lock:
            self._passed += seconds
