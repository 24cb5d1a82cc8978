"""From the thread that writes an answer to the event loop that sends it, and back: who left is not written to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from replyx.app import App
from replyx.dialogs.completions import Completion, CompletionRequest
from replyx.errors import EngineFailed
from replyx.types import Actor

Receive = Callable[[], Awaitable[Any]]


class CompletionTask:
    """One answer under way. It begins at once, and ends early when `stop` is called or the client is gone."""

    def __init__(self, app: App, actor: Actor, request: CompletionRequest) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[str] = asyncio.Queue()
        self._stopped = threading.Event()
        self._sent = False
        self._work = asyncio.ensure_future(
            app.call_slowly(app.completions.complete, actor, request, self, self._stopped.is_set)
        )

    def write(self, piece: str) -> None:
        """The drafting thread's next piece."""
        self._sent = True
        self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    def restart(self) -> None:
        """What was sent cannot be taken back here: then there is no whole answer.

        Raises:
            EngineFailed: something was sent.
        """
        if self._sent:
            raise EngineFailed("The answer broke off", retryable=False)

    def stop(self) -> None:
        """Nobody listens any more: nothing is written, nothing is paid."""
        self._stopped.set()

    async def whole(self, receive: Receive) -> Completion | None:
        """The finished answer; None where the client went away. Raises what the service raises."""
        await self._until_left(self._work, receive)
        return await self._work

    async def next_piece(self, receive: Receive | None = None) -> str | Completion | None:
        """The next piece, and after the last one what became of it all; None where the client went away.

        A text that was not streamed, such as a prepared answer, comes as one piece.
        """
        waiting = asyncio.ensure_future(self._pieces.get())
        try:
            if receive is not None:
                await self._until_left(
                    asyncio.wait({waiting, self._work}, return_when=asyncio.FIRST_COMPLETED), receive
                )
            await asyncio.wait({waiting, self._work}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
        finally:
            waiting.cancel()
        # What the thread wrote last is in the queue before its end is known.
        if not self._pieces.empty():
            return self._pieces.get_nowait()
        finished = await self._work
        if finished is not None and not self._sent:
            self._sent = True
            return finished.text
        return finished

    async def _until_left(self, work: Awaitable[Any], receive: Receive) -> None:
        """Wait for `work`; a client that leaves meanwhile stops the answer."""
        doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                self.stop()
                await asyncio.wait({doing})
        except asyncio.CancelledError:
            self.stop()
            raise
        finally:
            leaving.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
