"""Leases in the database that a process renews from one thread for as long as it lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

L = TypeVar("L", bound=Hashable)


class Renewing(Generic[L]):
    """Renews what is held a third of the lease after the last time. The thread begins with the first lease."""

    def __init__(self, name: str, seconds: float, renew: Callable[[L], None]) -> None:
        """`seconds` is how long a lease lasts; `renew` prolongs one, and raises nothing that it could tell nobody."""
        self._name, self._seconds, self._renew = name, seconds, renew
        self._lock = threading.Lock()
        self._held: set[L] = set()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, lease: L) -> None:
        """Keep `lease` alive until `drop`."""
        with self._lock:
            self._held.add(lease)
            if self._thread is None:
                self._closed = threading.Event()
                self._thread = threading.Thread(target=self._run, args=(self._closed,), name=self._name, daemon=True)
                self._thread.start()

    def drop(self, lease: L) -> None:
        """Stop renewing; the row itself is settled by whoever ends the work."""
        with self._lock:
            self._held.discard(lease)

    def close(self) -> None:
        """End the thread; leases run out by themselves."""
        with self._lock:
            self._held.clear()
            self._closed.set()
            thread, self._thread = self._thread, None
        if thread is not None:
            # It may be at the database, which is closed next.
            thread.join(self._seconds)

    def _run(self, closed: threading.Event) -> None:
        while not closed.wait(self._seconds / 3):
            with self._lock:
                held = tuple(self._held)
            for lease in held:
                self._renew(lease)
