"""All sockets of this process: who listens to which dialog, who is silent, who has missed something."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any

from replyx.app import App
from replyx.errors import ReplyXError
from replyx.server.repeating import repeat
from replyx.server.ws.connection import MOST_BYTES, Connection
from replyx.server.ws.frames import PING, written
from replyx.server.ws.revocation import REVOCATION_SECONDS, Revocation, end_if_over
from replyx.server.ws.topic import Topic

logger = logging.getLogger(__name__)

#: Seconds within which a client must have proven who it is.
AUTH_SECONDS = 5.0

#: Seconds between two pings, and of silence after which a socket is closed.
PING_SECONDS = 25.0
SILENCE_SECONDS = 60.0

#: Seconds between comparisons with the record, while the bus is well and while it is not.
_HEADS_SECONDS, _HEADS_SECONDS_ALONE = 5.0, 1.0

#: Seconds that a peer has to take its close frame, and that a topic outlives its last socket.
_CLOSE_SECONDS, _KEEP_SECONDS = 5.0, 5.0

#: Dialogs compared in one query, and events read at once for a socket that missed some.
_BATCH, _EVENTS = 500, 50


class Hub:
    """Lives on the event loop; `watch` and `release` may be called from any thread."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._topics: dict[int, Topic] = {}
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._revocation = Revocation(app, self)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def connections(self) -> set[Connection]:
        """Every open socket, also those that have not yet proven who they are."""
        return self._connections

    @property
    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the hub has not been started")
        return self._loop

    def start(self) -> None:
        """Begin to follow; on the loop."""
        self._loop = asyncio.get_running_loop()
        self._revocation.start()
        self.spawn(repeat(lambda: 1.0, self._tick))
        self.spawn(repeat(self._compare_pause, self._compare))
        self.spawn(repeat(lambda: REVOCATION_SECONDS, self._revocation.check_all))

    async def stop(self) -> None:
        """Stop following; sockets are the server's to close."""
        self._revocation.stop()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for topic in self._topics.values():
            topic.close()
        self._topics.clear()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until it ends or the hub stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def watch(self, dialog_id: int) -> Topic:
        """Follow a dialog for one holder more; when this returns nothing of it is missed. May take a second."""
        with self._lock:
            topic = self._topics.get(dialog_id)
            if topic is None:
                topic = self._topics[dialog_id] = Topic(dialog_id, self._running_loop, self.fill)
            topic.holders += 1
        topic.open(self._app.bus)
        return topic

    def release(self, topic: Topic) -> None:
        """One holder less."""
        with self._lock:
            topic.holders -= 1
            topic.left_at = self._running_loop.time()

    def join(self, connection: Connection, topic: Topic, head: int) -> None:
        """Give the dialog's news to a connection, from `head` on, which was read after `watch` had returned."""
        connection.dialog_seq = connection.resumed_from = head
        topic.connections.add(connection)
        if topic.head > head:
            self.fill(connection)

    def leave(self, connection: Connection, topic: Topic | None) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        if topic is not None:
            topic.connections.discard(connection)
            self.release(topic)

    async def resume(self, connection: Connection, last_seq: int) -> None:
        """Send what came after `last_seq`; a client that claims to know what has not happened is told to begin anew."""
        topic = self._topics[connection.dialog_id]
        if last_seq > max(topic.head, connection.dialog_seq):
            # It may have heard of it elsewhere before the news came here.
            heads = await self._app.call(self._app.outbox.heads, [connection.dialog_id])
            topic.head = max(topic.head, heads.get(connection.dialog_id, 0))
        head = topic.head = max(topic.head, connection.dialog_seq)
        if last_seq > head:
            connection.push(written({"type": "resync", "dialog_id": connection.dialog_id, "last_seq": head}))
            return
        connection.dialog_seq = connection.resumed_from = last_seq
        if last_seq < head:
            self.fill(connection)

    def fill(self, connection: Connection) -> None:
        """Read what a connection missed from the record."""
        if not connection.is_filling:
            connection.is_filling = True
            self.spawn(self._fill(connection))

    def close_dialog(self, dialog_id: int, code: int, reason: str) -> None:
        """Close every socket of a dialog."""
        topic = self._topics.get(dialog_id)
        for connection in tuple(topic.connections) if topic else ():
            connection.close(code, reason)

    def compare_soon(self) -> None:
        """Look into the record now: the bus was away."""
        self.spawn(self._compare())

    async def _fill(self, connection: Connection) -> None:
        try:
            while not connection.is_closing and connection in self._connections:
                after = connection.dialog_seq
                events = await self._app.call(self._app.outbox.since, connection.dialog_id, after, _EVENTS)
                for event in events:
                    if event["seq"] == connection.dialog_seq + 1:
                        connection.dialog_seq = event["seq"]
                        connection.push(written(event))
                topic = self._topics.get(connection.dialog_id)
                # A `resume` meanwhile has moved it back: then there is more to read.
                is_behind = topic is not None and connection.dialog_seq < topic.head
                if not is_behind or (not events and connection.dialog_seq == after):
                    return
                if connection.waiting_bytes > MOST_BYTES // 4:
                    await connection.drained()
        except ReplyXError:
            # The next comparison with the record tries again.
            logger.warning("missed events could not be read", extra={"dialog_id": connection.dialog_id})
        finally:
            connection.is_filling = False

    async def _tick(self) -> None:
        """The one timer of all sockets."""
        now, moment = asyncio.get_running_loop().time(), self._app.clock.now()
        for connection in tuple(self._connections):
            attend(connection, now)
            end_if_over(connection, moment)
        await self._drop_idle_topics(now)

    async def _drop_idle_topics(self, now: float) -> None:
        with self._lock:
            idle = [t for t in self._topics.values() if t.holders == 0 and now - t.left_at > _KEEP_SECONDS]
            for topic in idle:
                del self._topics[topic.dialog_id]
        if idle:
            await asyncio.to_thread(_close_all, idle)

    def _compare_pause(self) -> float:
        return _HEADS_SECONDS if self._app.bus.is_connected else _HEADS_SECONDS_ALONE

    async def _compare(self) -> None:
        """Catch up on news whose hint was lost, and close the sockets of dialogs that are gone."""
        ids = [topic.dialog_id for topic in self._topics.values() if topic.connections]
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            try:
                heads = await self._app.call(self._app.outbox.heads, batch)
            except ReplyXError:
                logger.warning("the record cannot be read; sockets wait")
                return
            for dialog_id in batch:
                if dialog_id not in heads:
                    self.close_dialog(dialog_id, 4404, "NOT_FOUND")
                else:
                    self._catch_up(dialog_id, heads[dialog_id])

    def _catch_up(self, dialog_id: int, head: int) -> None:
        topic = self._topics.get(dialog_id)
        if topic is None:
            return
        topic.head = max(topic.head, head)
        for connection in topic.connections:
            if connection.dialog_seq < topic.head:
                self.fill(connection)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("work of the hub failed", exc_info=error)


def _close_all(topics: list[Topic]) -> None:
    for topic in topics:
        topic.close()


def attend(connection: Connection, now: float) -> None:
    """What a second's passing means for a socket."""
    if connection.is_closing:
        if now - connection.closed_at > _CLOSE_SECONDS:
            connection.cut()
    elif connection.actor is None:
        if now - connection.heard_at > AUTH_SECONDS:
            connection.close(4401, "NOT_AUTHENTICATED")
    elif now - connection.heard_at > SILENCE_SECONDS:
        connection.close(4408, "silent")
    elif now - connection.ping_at > PING_SECONDS:
        connection.ping_at = now
        connection.push(PING)
