"""One open socket: its outgoing queue, and how far into its dialog's events it is."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from starlette.types import Send

from replyx.events.catalogue import OPERATOR_TYPING, USER_TYPING
from replyx.types import Actor, Role

logger = logging.getLogger(__name__)

#: Frames and (roughly) bytes that wait for a reader at most; who is slower is closed, and resumes.
MOST_FRAMES = 500
MOST_BYTES = 1_048_576

#: Seconds in which a socket's own typing is not told to it.
_ECHO = 2.0


class Connection:
    """What the hub knows of a socket. Lives on the event loop; costs no task of its own while nothing is sent."""

    __slots__ = (
        "_abort",
        "_loop",
        "_send",
        "_waiting",
        "_waiting_bytes",
        "_write_now",
        "_writer",
        "actor",
        "assistant_id",
        "close_code",
        "close_reason",
        "closed_at",
        "dialog_id",
        "dialog_seq",
        "heard_at",
        "is_filling",
        "origin",
        "ping_at",
        "resumed_from",
        "typed_at",
    )

    def __init__(
        self,
        send: Send,
        abort: Callable[[], None] | None,
        now: float,
        write_now: Callable[[str], bool] | None = None,
    ) -> None:
        """`write_now` sends a frame at once, and answers whether it could."""
        self._send, self._abort, self._write_now = send, abort, write_now
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[str] | None = None
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        #: None until the client has proven who it is.
        self.actor: Actor | None = None
        self.assistant_id = 0
        self.dialog_id = 0
        #: The other site that a visitor's page is on; None for the appliance's own pages.
        self.origin: str | None = None
        #: The newest event that was queued for it; the next one must be the one after.
        self.dialog_seq = 0
        #: Where its view of the dialog begins: the head when it came, or what it resumed from.
        self.resumed_from = 0
        #: True while missed events are read from the record.
        self.is_filling = False
        self.heard_at = now
        self.ping_at = now
        self.typed_at = 0.0
        #: Set once the socket is to be closed.
        self.close_code = 0
        self.close_reason = ""
        self.closed_at = 0.0

    @property
    def is_closing(self) -> bool:
        return self.close_code != 0

    @property
    def is_visitor(self) -> bool:
        return self.actor is not None and self.actor.role is Role.VISITOR

    @property
    def waiting_bytes(self) -> int:
        """Roughly how much waits to be sent."""
        return self._waiting_bytes

    def push(self, text: str) -> None:
        """Send a frame, or queue it behind others. A reader that is too slow is closed instead."""
        if self.is_closing:
            return
        if self._writer is None and self._write_now is not None and self._write_now(text):
            return
        if self._waiting is None:
            self._waiting = deque()
        if len(self._waiting) >= MOST_FRAMES or (self._waiting and self._waiting_bytes + len(text) > MOST_BYTES):
            self.close(1013, "too slow")
            return
        self._waiting.append(text)
        self._waiting_bytes += len(text)
        self._wake()

    def hears_itself(self, kind: str, now: float) -> bool:
        """Whether a passing event is only the echo of what this socket has just said."""
        own = USER_TYPING if self.is_visitor else OPERATOR_TYPING
        return kind == own and now - self.typed_at < _ECHO

    def close(self, code: int, reason: str = "", *, after_queue: bool = False) -> None:
        """Close with `code`, at once or after what is queued. The hub cuts off a peer that does not take even that."""
        if self.is_closing:
            return
        self.close_code, self.close_reason, self.closed_at = code, reason, self._loop.time()
        if not after_queue:
            self._waiting, self._waiting_bytes = None, 0
        self._wake()

    def cut(self) -> None:
        """End the connection without a word."""
        if self._abort is not None:
            self._abort()

    async def drained(self) -> None:
        """Wait until what is queued has been sent or the peer is gone."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def _wake(self) -> None:
        if self._writer is None:
            self._writer = self._loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._waiting:
                text = self._waiting.popleft()
                self._waiting_bytes -= len(text)
                await self._send({"type": "websocket.send", "text": text})
            # An empty queue would cost more than all else that an idle socket keeps here.
            self._waiting = None
            if self.is_closing:
                await self._send({"type": "websocket.close", "code": self.close_code, "reason": self.close_reason})
        except (OSError, RuntimeError) as error:
            # The peer is gone, or the server is; the reading side hears of it.
            logger.debug("a frame found its socket closed", extra={"cause": type(error).__name__})
            self._waiting, self._waiting_bytes = None, 0
        finally:
            self._writer = None
