"""The stream of an answer while it is written: pieces joined within 20 ms, sent over the bus, never stored."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from replyx.clock import Clock
from replyx.events.bus import Bus
from replyx.events.catalogue import MESSAGE_DELTA, dialog_topic

#: Seconds within which pieces are joined: fast models write hundreds of tokens a second, eyes read far fewer.
JOIN_SECONDS = 0.020

#: Seconds between two tellings of a whole text.
TELL_SECONDS = 0.9

#: Seconds without work after which the flushing thread ends; the next answer starts a new one.
_IDLE_SECONDS = 5.0


class StreamWriter:
    """Sends one try of one answer. `write` may be called from one thread at a time."""

    def __init__(
        self,
        stream: AnswerStream,
        bus: Bus,
        clock: Clock,
        dialog_id: int,
        reply_id: int,
        tell: Callable[[str], None] | None,
    ) -> None:
        self._stream, self._bus, self._clock = stream, bus, clock
        self._dialog_id, self._reply_id = dialog_id, reply_id
        #: Told the whole text so far, and when it was.
        self._tell, self._whole = tell, ""
        self._told_at: float | None = None
        #: Guards what follows and the order of publishing: the flushing thread sends too.
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._index = 0
        self._sent_at: float | None = None
        self._is_scheduled = False

    def write(self, piece: str) -> None:
        """Send `piece`: at once where nothing was sent in the last 20 ms, else joined with what else comes in them."""
        if not piece:
            return
        with self._lock:
            self._waiting.append(piece)
            now = self._clock.monotonic()
            self._tell_whole(piece, now)
            due = now if self._sent_at is None else self._sent_at + JOIN_SECONDS
            if now >= due:
                self._send()
            elif not self._is_scheduled:
                self._is_scheduled = True
                self._stream.schedule(self, due)

    def restart(self) -> None:
        """Another engine begins the answer anew: what was sent is void, pieces are numbered from 0 again."""
        with self._lock:
            self._waiting.clear()
            self._index = 0

    def flush(self) -> None:
        """Send what waits to be joined."""
        with self._lock:
            self._is_scheduled = False
            self._send()

    def close(self) -> None:
        """Send the rest; the try is over. Closing twice is harmless."""
        self.flush()

    def _tell_whole(self, piece: str, now: float) -> None:
        if self._tell is None:
            return
        self._whole += piece
        if self._told_at is None:
            # What is written at once needs no telling.
            self._told_at = now
        elif now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self._tell(self._whole)

    def _send(self) -> None:
        if not self._waiting:
            return
        text = "".join(self._waiting)
        self._waiting.clear()
        payload = {
            "type": MESSAGE_DELTA,
            "dialog_id": self._dialog_id,
            "reply_id": self._reply_id,
            "index": self._index,
            "text": text,
        }
        self._index += 1
        self._bus.publish(dialog_topic(self._dialog_id), payload)
        self._sent_at = self._clock.monotonic()


class AnswerStream:
    """Starts writers, and flushes for all of them in one thread, so that a model's pause leaves no text unsent."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, StreamWriter]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def start(self, dialog_id: int, reply_id: int, tell: Callable[[str], None] | None = None) -> StreamWriter:
        """A writer for a new try of a reply; its pieces are numbered from 0.

        `tell` is called with all that was written so far, at most once in `TELL_SECONDS`: for listeners that cannot
        put pieces together.
        """
        return StreamWriter(self, self._bus, self._clock, dialog_id, reply_id, tell)

    def schedule(self, writer: StreamWriter, due: float) -> None:
        """Flush `writer` at `due` of the monotonic clock."""
        with self._changed:
            heapq.heappush(self._due, (due, next(self._numbers), writer))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="answer-stream", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._due and not self._changed.wait(_IDLE_SECONDS) and not self._due:
                    self._thread = None
                    return
                writer = self._next_due()
            if writer is not None:
                writer.flush()

    def _next_due(self) -> StreamWriter | None:
        """Wait for the earliest writer; None where an earlier one may have come meanwhile. Inside the lock."""
        rest = min(self._due[0][0] - self._clock.monotonic(), JOIN_SECONDS)
        if rest > 0 and self._changed.wait(rest):
            return None
        return heapq.heappop(self._due)[2]
