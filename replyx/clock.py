"""Time as the domain sees it: aware UTC datetimes that a test can move."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time of day and durations come from."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC, in whole milliseconds as the database keeps it."""

    def monotonic(self) -> float:
        """Seconds for measuring durations; never goes back."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        return time.monotonic()


def iso(moment: datetime) -> str:
    """`2025-09-01T10:00:00Z`: the contract's form, whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
