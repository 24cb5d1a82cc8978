"""What is told of a piece of work that has ended: its stages, when they were, and what may be known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: What a span may carry: no words of anyone.
Value = str | int | float | bool


@dataclass(frozen=True)
class Lap:
    """One stage of a piece of work; `start` and `end` are seconds of `time.perf_counter`."""

    stage: str
    start: float
    end: float

    @property
    def milliseconds(self) -> float:
        return (self.end - self.start) * 1000


@dataclass(frozen=True)
class Story:
    """A piece of work that has ended, as one span with a child for each stage. `trace_id` is 32 hexadecimal digits."""

    trace_id: str
    name: str
    laps: Sequence[Lap]
    values: Mapping[str, Value]
    is_failed: bool = False
