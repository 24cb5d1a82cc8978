"""The bus: wakes listeners in this process and in others. A hint; the record is the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from replyx.types import Json

#: Called with a payload, from the publisher's thread or the bus's own: must return at once and not raise.
Listener = Callable[[Json], None]


class Subscription(Protocol):
    """A listener's place on the bus."""

    def close(self) -> None:
        """Stop listening; closing twice is harmless."""


class Bus(Protocol):
    """Publish and subscribe by topic."""

    #: False while news may be missed (Redis is away): listeners should look into the record more often.
    @property
    def is_connected(self) -> bool: ...

    def publish(self, topic: str, payload: Json) -> None:
        """Tell every listener of `topic`; never raises, never waits for more than 1 s."""

    def subscribe(self, topic: str, listener: Listener) -> Subscription:
        """Call `listener` for every payload published on `topic` from now on."""

    def close(self) -> None:
        """Forget all listeners and close connections."""
