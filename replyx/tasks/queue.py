"""The queue as the domain sees it: a hint that work waits. What is still to be done is a row of the database."""

from __future__ import annotations

from typing import Protocol


class TaskQueue(Protocol):
    """Where task names go."""

    def send(self, task: str, *args: int | str) -> None:
        """Ask for `task` to be done soon. Never raises: a lost hint is found by a sweeper."""
