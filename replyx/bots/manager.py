"""The manager's loop: what runs equals what the database says, by leases shared with other managers.

A token is polled by whoever holds its bot's lease, and by nobody after it could not be renewed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from contextlib import suppress

from aiogram import Bot
from aiogram.exceptions import TelegramUnauthorizedError

from replyx.app import App
from replyx.assistants.bots import LEASE_SECONDS, UNREACHABLE, BotSpec
from replyx.bots.telegram.intake import run_intake
from replyx.bots.telegram.poller import TokenRefused, run_poller
from replyx.bots.telegram.running_bot import RunningBot
from replyx.bots.telegram.sender import run_sender
from replyx.bots.telegram.session import Backoff, Route, Sessions
from replyx.bots.telegram.wakes import Wakes
from replyx.bots.telegram.webhook import run_webhook
from replyx.errors import ReplyXError
from replyx.events.catalogue import CONTROL, TELEGRAM_UPDATES
from replyx.security.outgoing import OutgoingUrls
from replyx.tasks.beats import BEAT_SECONDS, process_name
from replyx.tasks.holders import holder_name, is_gone
from replyx.types import Json

logger = logging.getLogger(__name__)

ROLE = "bots"

#: Seconds between two looks into the database; news makes one at once.
TURN_SECONDS = 1.0

#: Seconds without a renewed lease after which bots are stopped here: others may take them soon.
_LEASE_MARGIN = LEASE_SECONDS - 3.0

#: Seconds that a bot's tasks have to end.
_END_SECONDS = 5.0

#: Seconds since its last beat for which another manager counts as one that shares the work.
_MANAGER_ALIVE_SECONDS = 6.0

#: Kinds of news after which the database is looked at.
_KINDS = ("assistant_changed", "user_revoked", "bus_resumed")


class Manager:
    """Everything of it happens in one event loop, but for the news, which come from any thread."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._holder = holder_name()
        self._sessions = Sessions(OutgoingUrls(app.config.outgoing.allow))
        self._wakes = Wakes(app)
        self._bots: dict[int, _Kept] = {}
        self._wake = asyncio.Event()
        self._beaten = 0.0
        #: When leases were last seen to be held.
        self._held_at = time.monotonic()
        self._is_failing = False

    async def run(self, stop: threading.Event) -> None:
        """Manage until `stop` is set, then end every bot and give its lease back."""
        loop = asyncio.get_running_loop()

        def on_control(news: Json) -> None:
            if news.get("kind") in _KINDS:
                loop.call_soon_threadsafe(self._wake.set)

        def on_update(news: Json) -> None:
            loop.call_soon_threadsafe(self._on_update, news)

        listening = [self._app.bus.subscribe(CONTROL, on_control), self._app.bus.subscribe(TELEGRAM_UPDATES, on_update)]
        ending = asyncio.create_task(asyncio.to_thread(stop.wait))
        ending.add_done_callback(lambda _task: self._wake.set())
        silence = asyncio.Event()
        waking = asyncio.create_task(self._wakes.run(silence))
        try:
            while not stop.is_set():
                await self._turn()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), TURN_SECONDS)
                self._wake.clear()
        finally:
            stop.set()
            for subscription in listening:
                subscription.close()
            await self._end(list(self._bots))
            silence.set()
            await asyncio.gather(waking, ending, self._sessions.close(), return_exceptions=True)

    async def _turn(self) -> None:
        app, began = self._app, time.monotonic()
        try:
            managers = await app.call(self._managers)
            specs = await app.call(app.bots.turn, self._holder, managers, is_gone)
            self._held_at = began
            await self._follow({spec.assistant_id: spec for spec in specs})
            for assistant_id in await app.call(app.updates.assistants_waiting):
                self._on_update({"assistant_id": assistant_id})
            await self._beat()
            self._is_failing = False
        except ReplyXError:
            if not self._is_failing:
                logger.exception("the bot manager cannot work and tries again")
            self._is_failing = True
            if time.monotonic() - self._held_at > _LEASE_MARGIN and self._bots:
                logger.warning("leases could not be renewed; the bots pause", extra={"bots": len(self._bots)})
                await self._stop(list(self._bots))

    async def _follow(self, wanted: dict[int, BotSpec]) -> None:
        """Start and stop until what runs is what is wanted."""
        over = [key for key, kept in self._bots.items() if wanted.get(key) != kept.spec or kept.is_over]
        if any(key in wanted and not self._bots[key].is_over for key in over):
            # Their leases are given back with the old ways; the next turn, at once, takes them with the new ones.
            self._wake.set()
        if over:
            await self._end(over)
        for assistant_id, spec in wanted.items():
            if assistant_id not in self._bots and assistant_id not in over:
                self._bots[assistant_id] = _Kept(self._app, self._holder, spec, self._sessions, self._wakes)
        if over:
            # Including those that begin anew in the next turn.
            await self._sessions.keep({_route(spec) for spec in wanted.values()})

    async def _end(self, assistant_ids: list[int]) -> None:
        """Stop bots, and only then give back their leases."""
        await self._stop(assistant_ids)
        try:
            await self._app.call(self._app.bots.release, self._holder, assistant_ids)
        except ReplyXError:
            logger.warning("leases could not be given back; they run out", extra={"bots": len(assistant_ids)})

    async def _stop(self, assistant_ids: list[int]) -> None:
        stopping = [self._bots.pop(key) for key in assistant_ids if key in self._bots]
        await asyncio.gather(*(kept.end() for kept in stopping))

    def _managers(self) -> int:
        """How many managers share the work, this one included."""
        beats = [beat for beat in self._app.beats.list() if beat.role == ROLE]
        others = {
            str((beat.detail or {}).get("holder"))
            for beat in beats
            if beat.age_seconds < _MANAGER_ALIVE_SECONDS and beat.name != process_name(ROLE)
        }
        return 1 + sum(not is_gone(holder) for holder in others)

    async def _beat(self) -> None:
        """A sign of life, which says how the bots are."""
        now = time.monotonic()
        if now - self._beaten < BEAT_SECONDS:
            return
        self._beaten = now
        states = Counter(kept.bot.state for kept in self._bots.values() if kept.bot is not None)
        detail: Json = {"bots": len(self._bots), "states": dict(states), "holder": self._holder}
        await self._app.call(self._app.beats.beat, process_name(ROLE), ROLE, detail)

    def _on_update(self, news: Json) -> None:
        kept = self._bots.get(news["assistant_id"])
        if kept is not None and kept.bot is not None:
            kept.bot.news.set()


class _Kept:
    """A bot that is kept running: its tasks are started again after whatever ends them, but for a refused token."""

    def __init__(self, app: App, holder: str, spec: BotSpec, sessions: Sessions, wakes: Wakes) -> None:
        self.spec = spec
        self.bot: RunningBot | None = None
        self._app, self._holder, self._sessions, self._wakes = app, holder, sessions, wakes
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._keep(), name=f"bot {spec.assistant_id}")

    @property
    def is_over(self) -> bool:
        """Whether it ended by itself: its token was refused."""
        return self._task.done()

    async def end(self) -> None:
        """Stop its tasks and wait for them."""
        self._stop.set()
        if self.bot is not None:
            self.bot.stop.set()
        await asyncio.wait([self._task], timeout=_END_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        pauses = Backoff(1.0, 30.0)
        while not self._stop.is_set():
            try:
                await self._run()
            except Exception as error:
                cause = _cause(error)
                known = isinstance(cause, TokenRefused | TelegramUnauthorizedError | ReplyXError)
                about = {"assistant_id": self.spec.assistant_id, "error": type(cause).__name__}
                logger.warning("a bot's tasks ended", extra=about, exc_info=None if known else cause)
                if await self._is_refused(cause):
                    return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pauses.next())

    async def _run(self) -> None:
        """All tasks of the bot; where one fails, the others end too."""
        bot = self.bot = await asyncio.to_thread(self._made)
        inbound = run_webhook if self._app.config.bots.delivery == "webhook" else run_poller
        async with asyncio.TaskGroup() as tasks:
            coming = tasks.create_task(inbound(self._app, bot))
            tasks.create_task(run_intake(self._app, bot))
            tasks.create_task(run_sender(self._app, bot, bot.stop, self._wakes))
            tasks.create_task(self._watch(bot, coming))

    async def _watch(self, bot: RunningBot, coming: asyncio.Task[None]) -> None:
        """A long poll is not waited for when the bot is to stop."""
        if not self._stop.is_set():
            await bot.stop.wait()
        bot.stop.set()
        bot.news.set()
        coming.cancel()

    def _made(self) -> RunningBot:
        """Raises AddressRefused, FetchFailed: the tenant's address may not be called."""
        spec, route = self.spec, _route(self.spec)
        polling = self._sessions.of(route, "poll")
        api = Bot(spec.token, session=self._sessions.of(route, "send"))
        return RunningBot(spec, self._holder, polling, api, Bot(spec.token, session=polling))

    async def _is_refused(self, error: BaseException) -> bool:
        """Note what ended the bot; whether it is for good."""
        app = self._app
        try:
            if isinstance(error, TokenRefused | TelegramUnauthorizedError):
                await app.call(app.bots.refuse, self._holder, self.spec, str(error))
                return True
            if isinstance(error, ReplyXError):
                await app.call(app.bots.note, self._holder, self.spec.assistant_id, UNREACHABLE, str(error))
        except ReplyXError:
            logger.warning("the trouble of a bot could not be noted", extra={"assistant_id": self.spec.assistant_id})
        return False


def _route(spec: BotSpec) -> Route:
    return Route(spec.api_base, spec.proxy, spec.is_guarded)


def _cause(error: BaseException) -> BaseException:
    """What is inside of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
