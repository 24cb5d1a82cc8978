"""A load of several kinds on one event loop: started, watched for its progress, ended."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from replyx.testing.telegram_server import FakeTelegram
from tests.chaos.history import History
from tests.chaos.load.rest import Rest
from tests.chaos.tenants import People
from tests.support.programs import wait_until

#: Ways on which customers write: each has its share of the messages.
WIDGET, TELEGRAM = "widget", "telegram"


@dataclass
class Stage:
    """What every client is given: where the machine is, who lives there, where to note things, when it is over."""

    url: str
    people: People
    history: History
    seed: int
    #: Customer messages to be accepted in all; clients share them.
    messages: int
    rest: Rest
    telegram: FakeTelegram
    #: How many of the messages come on a way; one that is not named has no bound but that of all.
    quotas: dict[str, int] = field(default_factory=dict)
    #: Seconds between a customer's messages, on average.
    pause: float = 0.05
    begun: int = 0
    begun_by: Counter[str] = field(default_factory=Counter)
    #: Messages whose fate their sender knows, or has given up asking.
    settled: int = 0
    #: Operators who have a dialog in their hands, and messages whose senders do not know what became of them.
    serving: int = 0
    pending: set[str] = field(default_factory=set)
    #: Dialog id → the last event that its customer has seen.
    heads: dict[int, int] = field(default_factory=dict)
    #: Set once nothing new is to be said; clients then only catch up.
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set once clients may go.
    may_leave: asyncio.Event = field(default_factory=asyncio.Event)

    def dice(self, who: str) -> random.Random:
        """A client's own dice: the same for the same seed."""
        return random.Random(f"{self.seed}:{who}")

    async def over_within(self, seconds: float) -> bool:
        """Wait `seconds`; True, and at once, where it is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.is_over.wait(), seconds)
        return self.is_over.is_set()

    def take_turn(self, way: str) -> bool:
        """Whether one message more is wanted on this way; if so, it is the caller's to send."""
        if self.begun >= self.messages or self.begun_by[way] >= self.quotas.get(way, self.messages):
            return False
        self.begun += 1
        self.begun_by[way] += 1
        return True


class Client(Protocol):
    """One participant. `run` ends after `stage.may_leave`."""

    async def run(self) -> None: ...


#: Makes the clients of a kind for a stage.
Kind = Callable[[Stage], list[Client]]


class Load:
    """Clients in a thread with an event loop of its own."""

    def __init__(self, make_stage: Callable[[Rest], Stage], kinds: list[Kind]) -> None:
        self._make_stage, self._kinds = make_stage, kinds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load")
        self.stage: Stage | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(20):
            raise RuntimeError("the load did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._set(lambda stage: stage.is_over)
        self._set(lambda stage: stage.may_leave)
        self._thread.join(30)
        if error is None and self._failure is not None:
            raise self._failure

    @property
    def settled(self) -> int:
        return self.stage.settled if self.stage else 0

    @property
    def heads(self) -> dict[int, int]:
        return dict(self.stage.heads) if self.stage else {}

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in the middle of anything: every message has met its fate, nobody serves."""
        stage = self.stage
        return stage is None or (stage.begun == stage.settled and not stage.serving)

    @property
    def pending(self) -> set[str]:
        """Messages whose senders do not know yet what became of them."""
        return set(self.stage.pending) if self.stage else set()

    def wait_until_settled(self, count: int, seconds: float) -> None:
        """Return once `count` messages were settled; fails after `seconds` without a single one more."""
        while self.settled < count and self._thread.is_alive():
            before = self.settled
            wait_until(
                lambda: self.settled > before or not self._thread.is_alive(),  # noqa: B023
                seconds,
                f"nothing is accepted any more, after {before} of {count}",
            )
        if self._failure is not None:
            raise self._failure

    def be_over(self) -> None:
        """Let clients say nothing new."""
        self._set(lambda stage: stage.is_over)

    def _set(self, which: Callable[[Stage], asyncio.Event]) -> None:
        if self._loop is not None and self.stage is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(which(self.stage).set)

    def _run(self) -> None:
        try:
            asyncio.run(self._play())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _play(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with Rest() as rest:
            self.stage = self._make_stage(rest)
            clients = [client for kind in self._kinds for client in kind(self.stage)]
            tasks = [asyncio.create_task(client.run()) for client in clients]
            self._ready.set()
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
