"""What this process has done, counted while it runs; the figures travel with its sign of life."""

from __future__ import annotations

import threading
from bisect import bisect_left

from replyx.types import Json

#: Upper bounds of the classes into which seconds of an answer fall; the last class has none.
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)


class Figures:
    """Answers by outcome and engine, and how long customers waited for them. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], int] = {}
        self._classes = [0] * (len(SECONDS) + 1)
        self._waited = 0.0
        self._retries = 0

    def answered(self, outcome: str, engine: str, seconds: float) -> None:
        """An answer was committed, `seconds` after its first question."""
        with self._lock:
            key = (outcome, engine)
            self._answers[key] = self._answers.get(key, 0) + 1
            self._classes[bisect_left(SECONDS, seconds)] += 1
            self._waited += seconds

    def retried(self) -> None:
        """A try at an answer failed."""
        with self._lock:
            self._retries += 1

    def as_json(self) -> Json:
        """All figures since the start of the process."""
        with self._lock:
            answers = [[*key, count] for key, count in sorted(self._answers.items())]
            return {"answers": answers, "classes": list(self._classes), "waited": self._waited, "failed": self._retries}
