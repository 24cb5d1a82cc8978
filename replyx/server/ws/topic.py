"""One dialog as this process follows it: its place on the bus, and the sockets that listen."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from replyx.events.bus import Bus, Subscription
from replyx.events.catalogue import OPERATOR_TYPING, USER_TYPING, dialog_topic
from replyx.server.ws.connection import Connection
from replyx.server.ws.frames import written
from replyx.types import Json

logger = logging.getLogger(__name__)

_TYPING = (USER_TYPING, OPERATOR_TYPING)


class Topic:
    """Hands a dialog's news to its sockets, in order and without a gap."""

    __slots__ = ("_fill", "_lock", "_loop", "_subscription", "connections", "dialog_id", "head", "holders", "left_at")

    def __init__(self, dialog_id: int, loop: asyncio.AbstractEventLoop, fill: Callable[[Connection], None]) -> None:
        """`fill` reads what a connection missed from the record."""
        self.dialog_id, self._loop, self._fill = dialog_id, loop, fill
        #: The newest `seq` heard of.
        self.head = 0
        self.connections: set[Connection] = set()
        #: Who needs the topic: its connections, and those that are about to be; changed under the hub's lock.
        self.holders = 0
        #: When the last of them left, on the loop's clock.
        self.left_at = 0.0
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None

    def open(self, bus: Bus) -> None:
        """Listen to the bus; when this returns nothing is missed any more. Called in any thread, may take a second."""
        with self._lock:
            if self._subscription is None:
                self._subscription = bus.subscribe(dialog_topic(self.dialog_id), self._hear)

    def close(self) -> None:
        """Stop listening. Called in any thread."""
        with self._lock:
            if self._subscription is not None:
                self._subscription.close()
                self._subscription = None

    def deliver(self, kind: str, seq: int | None, text: str) -> None:
        """Give one piece of news to every socket. On the loop. Without `text` a new event is read from the record."""
        if seq is None:
            self._pass_on(kind, text)
            return
        self.head = max(self.head, seq)
        for connection in self.connections:
            if text and seq == connection.dialog_seq + 1 and not connection.is_filling:
                connection.dialog_seq = seq
                connection.push(text)
            elif seq > connection.dialog_seq:
                self._fill(connection)

    def _pass_on(self, kind: str, text: str) -> None:
        now = self._loop.time()
        for connection in self.connections if text else ():
            if kind not in _TYPING or not connection.hears_itself(kind, now):
                connection.push(text)

    def _hear(self, payload: Json) -> None:
        """Called by the bus in a thread of its own: the frame is written here, once for all sockets."""
        seq = payload.get("seq")
        # Without sockets nothing is written; one that is just coming learns from the number what to read.
        text = written(payload) if self.connections else ""
        try:
            self._loop.call_soon_threadsafe(self.deliver, str(payload.get("type")), seq, text)
        except RuntimeError:
            logger.debug("news came after the server had stopped")
