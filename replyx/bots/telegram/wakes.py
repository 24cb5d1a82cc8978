"""Who wakes the senders of a process: news of the bus at once, and a look into the record where a hint was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from replyx.app import App
from replyx.errors import ReplyXError
from replyx.events.catalogue import TELEGRAM
from replyx.types import Json

logger = logging.getLogger(__name__)

#: Seconds between two looks into the record.
LOOK_SECONDS = 2.0

#: What a sender gets when it is to look into the record itself.
LOOK: Json = {"kind": "look"}


class Wakes:
    """One for each process. `run` has to run while anybody listens."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._news: dict[int, asyncio.Queue[Json]] = {}

    @contextmanager
    def listen(self, assistant_id: int) -> Iterator[asyncio.Queue[Json]]:
        """The queue of the assistant's news; it begins with a look into the record."""
        queue: asyncio.Queue[Json] = asyncio.Queue()
        queue.put_nowait(LOOK)
        self._news[assistant_id] = queue
        try:
            yield queue
        finally:
            if self._news.get(assistant_id) is queue:
                del self._news[assistant_id]

    async def run(self, stop: asyncio.Event) -> None:
        """Hand out news until `stop` is set. A database that is away is waited for."""
        loop = asyncio.get_running_loop()
        subscription = await asyncio.to_thread(
            self._app.bus.subscribe, TELEGRAM, lambda news: _soon(loop, self._hear, news)
        )
        try:
            while not stop.is_set():
                await self._look()
                await _wait(stop, LOOK_SECONDS)
        finally:
            await asyncio.to_thread(subscription.close)

    def _hear(self, news: Json) -> None:
        queue = self._news.get(news.get("assistant_id", 0))
        if queue is not None:
            queue.put_nowait(news)

    async def _look(self) -> None:
        if not self._news:
            return
        try:
            waiting = await self._app.call(self._app.deliveries.waiting_assistants)
            waiting |= await self._app.call(self._app.topics.waiting_assistants)
        except ReplyXError as error:
            logger.warning("the record of deliveries cannot be read", extra={"error": error.message_en})
            return
        for assistant_id in waiting & set(self._news):
            self._news[assistant_id].put_nowait(LOOK)


def _soon(loop: asyncio.AbstractEventLoop, hear: object, news: Json) -> None:
    """Called from the bus's threads; a loop that has ended hears nothing."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(hear, news)  # type: ignore[arg-type]


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
