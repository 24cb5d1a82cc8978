"""Watching a dialog while an answer to it is written: was it taken over, did the customer say more?"""

from __future__ import annotations

import threading
from types import TracebackType

from replyx.dialogs.leases import Lease
from replyx.events import catalogue
from replyx.events.bus import Bus
from replyx.types import Json, Sender


class Watch:
    """Listens on the bus. A hint only: what it misses, the commit still sees."""

    def __init__(self, bus: Bus, dialog_id: int, upto_seq: int, lease: Lease, *, may_restart: bool) -> None:
        self._bus, self._topic, self._upto, self._lease = bus, catalogue.dialog_topic(dialog_id), upto_seq, lease
        self._may_restart = may_restart
        self._unwanted = threading.Event()
        self._newer = threading.Event()

    def __enter__(self) -> Watch:
        self._subscription = self._bus.subscribe(self._topic, self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._subscription.close()

    @property
    def is_newer(self) -> bool:
        """The customer said something that the answer has not seen, and it is still the assistant's turn."""
        return self._newer.is_set() and not self._unwanted.is_set() and not self._lease.lost.is_set()

    def should_stop(self) -> bool:
        return self._unwanted.is_set() or self._newer.is_set() or self._lease.lost.is_set()

    def _hear(self, payload: Json) -> None:
        if payload["type"] == catalogue.HANDOFF_STARTED:
            self._unwanted.set()
        elif payload["type"] == catalogue.NEW_MESSAGE and self._may_restart:
            message = payload["message"]
            if message["sender"] == Sender.USER and message["seq"] > self._upto:
                self._newer.set()
