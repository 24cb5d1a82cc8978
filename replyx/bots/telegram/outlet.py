"""A bot's way out: calls at Telegram's pace, none while the network is down, each with a verdict."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any, Protocol

from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.methods import GetMe, TelegramMethod

from replyx.bots.telegram.pacing import Pace
from replyx.bots.telegram.verdicts import Kind, Verdict, verdict_of

logger = logging.getLogger(__name__)

#: Longest time for one call, in seconds; a delivery's lease is longer.
CALL_SECONDS = 30

#: Longest pause between two looks whether the network is back, in seconds.
_LONGEST_PAUSE = 15.0


class RunningBot(Protocol):
    """What of a bot that runs is needed here."""

    @property
    def assistant_id(self) -> int: ...

    @property
    def api(self) -> Bot: ...


class Closing(Exception):
    """No more calls are made."""


class Outlet:
    """All calls of one bot that say something."""

    def __init__(self, bot: RunningBot) -> None:
        self.assistant_id, self._api = bot.assistant_id, bot.api
        self.pace = Pace(sleep=self._doze)
        self._closing = asyncio.Event()
        #: Cleared while nobody knows whether Telegram can be reached.
        self._is_steady = asyncio.Event()
        self._is_steady.set()
        self._looking: asyncio.Task[None] | None = None
        self._revoked: AiogramError | None = None

    async def call(self, method: TelegramMethod[Any], chat_id: int, *, is_paced: bool = True) -> Verdict:
        """Make the call as soon as the network and the chat's pace allow; `is_paced`: it makes or changes a message.

        Raises:
            TelegramUnauthorizedError: the token counts no longer.
        """
        try:
            await self.steady()
            if is_paced:
                await self.pace.turn(chat_id)
            while not self.is_steady:
                # What was waited for meanwhile was longer than a turn lasts.
                await self.steady()
                await self.pace.turn(chat_id)
        except Closing:
            return Verdict(Kind.LATER, "the sender ends")
        return await self.call_now(method, chat_id)

    async def call_now(self, method: TelegramMethod[Any], chat_id: int) -> Verdict:
        """The same without waiting for anything: for what is of no use later.

        Raises:
            TelegramUnauthorizedError: the token counts no longer.
        """
        verdict = await self._made(method)
        if verdict.kind is Kind.WAIT:
            self.pace.hold(chat_id, verdict.seconds)
        elif verdict.kind in (Kind.LATER, Kind.DOUBT):
            self._doubt_the_network(verdict.reason)
        return verdict

    async def steady(self) -> None:
        """Wait until Telegram can be reached, as far as is known.

        Raises:
            TelegramUnauthorizedError: the token counts no longer. Closing: no more calls are made.
        """
        await self._is_steady.wait()
        if self._revoked is not None:
            raise self._revoked
        if self._closing.is_set():
            raise Closing

    @property
    def is_steady(self) -> bool:
        """Whether calls may be made, as far as is known."""
        return self._is_steady.is_set() and not self._closing.is_set()

    def end(self) -> None:
        """Make no more calls; who waits for a turn gets it no more."""
        self._closing.set()
        self._is_steady.set()

    async def close(self) -> None:
        """Stop looking after the network."""
        self.end()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _doze(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return
        raise Closing

    async def _made(self, method: TelegramMethod[Any]) -> Verdict:
        try:
            result = await self._api(method, request_timeout=CALL_SECONDS)
        except (AiogramError, OSError) as error:
            return verdict_of(error)
        return Verdict(Kind.DONE, result=result)

    def _doubt_the_network(self, reason: str) -> None:
        """Nothing more is said until a harmless call came through, so that an outage puts one message in doubt."""
        if self._is_steady.is_set():
            self._is_steady.clear()
            logger.warning(
                "Telegram cannot be reached; messages wait", extra={"assistant_id": self.assistant_id, "reason": reason}
            )
            self._looking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        pause = 0.5
        while True:
            try:
                verdict = await self._made(GetMe())
            except AiogramError as revoked:
                self._revoked = revoked
                break
            if verdict.kind is Kind.DONE:
                logger.info("Telegram can be reached again", extra={"assistant_id": self.assistant_id})
                break
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 - spreads, hides nothing
            pause = min(pause * 2, _LONGEST_PAUSE)
        self._is_steady.set()
