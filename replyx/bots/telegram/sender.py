"""A bot's sender: what the record says is owed to customers goes out, in the order of each dialog.

Each dialog with something to send has a lane, a task that claims one delivery after the other. What Telegram answers
settles it; a crash leaves the claim, which counts as a doubt when the next sender finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from aiogram.exceptions import TelegramUnauthorizedError
from aiogram.methods import EditMessageText, SendMessage, TelegramMethod
from aiogram.types import LinkPreviewOptions, Message

from replyx.app import App
from replyx.bots.telegram.letters import buttons, letters, marked
from replyx.bots.telegram.markup import Rich
from replyx.bots.telegram.operators_topics import Topics
from replyx.bots.telegram.outlet import Closing, Outlet, RunningBot
from replyx.bots.telegram.streaming import LiveAnswers
from replyx.bots.telegram.verdicts import Kind, Verdict
from replyx.bots.telegram.wakes import Wakes
from replyx.dialogs.deliveries import LEASE_SECONDS, Parcel
from replyx.errors import ReplyXError
from replyx.types import Json

logger = logging.getLogger(__name__)

__all__ = ["Wakes", "run_sender"]

#: Seconds that calls under way have to end after `stop`.
_END_SECONDS = 5.0

#: Seconds for which an outcome is kept while the database is away; then its claim runs out.
_KEEP_SECONDS = LEASE_SECONDS * 0.75

#: Seconds between two looks for drafts whose answer will not come.
_CLEAN_SECONDS = 30.0

Method = TelegramMethod[Message] | TelegramMethod[Message | bool]


async def run_sender(app: App, bot: RunningBot, stop: asyncio.Event, wakes: Wakes) -> None:
    """Send what `bot` owes to its customers, and show operators their topics, until `stop` is set.

    The bot must be this process's alone: tries that were under way are taken for dead ones.

    Raises:
        TelegramUnauthorizedError: the bot's token counts no longer.
    """
    sender = _Sender(app, bot)
    with wakes.listen(bot.assistant_id) as news:
        await sender.run(news, stop)


class _Sender:
    def __init__(self, app: App, bot: RunningBot) -> None:
        self._app, self._assistant_id = app, bot.assistant_id
        self._outlet = Outlet(bot)
        self._live = LiveAnswers(app, self._outlet)
        self._topics = Topics(app, self._outlet)
        self._tasks: set[asyncio.Task[None]] = set()
        self._lanes: set[int] = set()
        #: Dialogs in whose lane something came up that it may have overlooked.
        self._again: set[int] = set()
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()
        self._stop = asyncio.Event()
        self._cleaned_at = -_CLEAN_SECONDS

    async def run(self, news: asyncio.Queue[Json], stop: asyncio.Event) -> None:
        self._stop = stop
        stopping = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._failed.wait())]
        try:
            await self._take_back()
            while not (stop.is_set() or self._failed.is_set()):
                heard = asyncio.ensure_future(news.get())
                await asyncio.wait((heard, *stopping), return_when=asyncio.FIRST_COMPLETED)
                if heard.done():
                    await self._hear(heard.result())
                else:
                    heard.cancel()
        finally:
            await self._end(stopping)
        if self._failure is not None:
            raise self._failure

    async def _take_back(self) -> None:
        while not self._stop.is_set():
            try:
                await self._app.call(self._app.deliveries.take_back, self._assistant_id)
                return
            except ReplyXError as error:
                logger.warning("a sender waits for the database", extra={"error": error.message_en})
                await asyncio.sleep(1.0)

    async def _hear(self, news: Json) -> None:
        kind = news["kind"]
        if kind == "reply_owed":
            self._live.expect(news)
        elif kind == "draft":
            self._live.progress(news)
        elif kind == "delivery":
            self._serve(news["dialog_id"])
        elif kind == "desk":
            self._topics.show(news["dialog_id"])
        else:
            await self._look()

    async def _look(self) -> None:
        try:
            waiting = await self._app.call(self._app.deliveries.waiting, self._assistant_id)
            await self._topics.look()
        except ReplyXError as error:
            logger.warning("a sender cannot read the record", extra={"error": error.message_en})
            return
        for dialog_id in waiting:
            self._serve(dialog_id)
        now = asyncio.get_running_loop().time()
        if now - self._cleaned_at >= _CLEAN_SECONDS:
            self._cleaned_at = now
            self._start(self._live.clean())

    def _serve(self, dialog_id: int) -> None:
        if dialog_id in self._lanes:
            self._again.add(dialog_id)
        else:
            self._lanes.add(dialog_id)
            self._start(self._lane(dialog_id))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, TelegramUnauthorizedError):
            self._failure = self._failure or error
            self._failed.set()
        elif error is not None:
            # What it had claimed runs out and is found again.
            logger.error("a delivery failed", exc_info=error, extra={"assistant_id": self._assistant_id})

    async def _lane(self, dialog_id: int) -> None:
        """Send one thing after the other until there is nothing to be sent now."""
        chat_id: int | None = None
        try:
            while not self._stop.is_set():
                self._again.discard(dialog_id)
                await self._outlet.steady()
                if chat_id is not None:
                    # Before the claim: who dies while it waits for a turn leaves nothing in doubt.
                    await self._outlet.pace.until_free(chat_id)
                parcel = await self._app.call(self._app.deliveries.claim, dialog_id)
                if parcel is not None:
                    await self._pause(await self._deliver(parcel))
                    chat_id = int(parcel.chat_id) if _is_chat(parcel.chat_id) else None
                elif dialog_id not in self._again:
                    return
        except ReplyXError as error:
            # What was claimed runs out; the next look into the record finds it.
            logger.warning("a delivery has to wait", extra={"dialog_id": dialog_id, "error": error.message_en})
        except Closing:
            logger.debug("a lane ends with its sender", extra={"dialog_id": dialog_id})
        finally:
            self._lanes.discard(dialog_id)

    async def _deliver(self, parcel: Parcel) -> float:
        """Send one part and settle it; answers the seconds until the dialog's next try."""
        deliveries = self._app.deliveries
        if not _is_chat(parcel.chat_id):
            await self._settle(lambda: deliveries.failed(parcel, "the dialog has no chat"))
            return 0.0
        draft = await self._live.finish(parcel.dialog_id, parcel.message)
        parts = letters(parcel.message, parcel.language)
        if parcel.part >= len(parts):
            await self._settle(lambda: deliveries.failed(parcel, "the message is empty"))
            return 0.0
        # Most messages have one part, and need no plan.
        is_unplanned = parcel.parts is None and len(parts) > 1
        if is_unplanned and not await self._app.call(deliveries.plan, parcel, len(parts)):
            return 0.0
        part = parts[parcel.part]
        is_last = parcel.part + 1 == len(parts)
        if parcel.doubts:
            part = marked(part, parcel.language)
        if parcel.part == 0 and draft is not None:
            parcel = replace(parcel, draft_id=draft)
        try:
            verdict = await self._say(parcel, part, is_last=is_last)
        except TelegramUnauthorizedError:
            await self._settle(lambda: deliveries.later(parcel, 0, "the bot's token was revoked"))
            raise
        return await self._note(parcel, verdict)

    async def _say(self, parcel: Parcel, part: Rich, *, is_last: bool) -> Verdict:
        """Send the part, as plain text where its markup is refused; a draft becomes it, where there is one."""
        chat_id, draft = int(parcel.chat_id), parcel.draft_id
        markup: str | None = "HTML"
        while True:
            method = _method(parcel, part, draft, markup, is_last=is_last)
            verdict = await self._outlet.call(method, chat_id)
            if verdict.kind is Kind.GONE and draft is not None:
                draft = None
            elif verdict.kind is Kind.MARKUP and markup is not None:
                logger.warning("Telegram refused markup", extra={"message_id": parcel.message.id})
                markup = None
            elif verdict.kind is Kind.DOUBT and draft is not None:
                # Changing a message twice is changing it once.
                return Verdict(Kind.LATER, verdict.reason, seconds=1.0)
            else:
                return verdict

    async def _note(self, parcel: Parcel, verdict: Verdict) -> float:
        """Settle the delivery by what Telegram said; answers the seconds until the dialog's next try."""
        deliveries, kind, reason = self._app.deliveries, verdict.kind, verdict.reason
        if kind is Kind.DONE:
            number = verdict.message_id or parcel.draft_id or 0
            await self._settle(lambda: deliveries.sent(parcel, number))
        elif kind in (Kind.LATER, Kind.WAIT):
            await self._settle(lambda: deliveries.later(parcel, verdict.seconds, reason))
            return verdict.seconds
        elif kind is Kind.MOVED:
            new = str(verdict.chat_id)
            await self._settle(lambda: deliveries.move_chat(self._assistant_id, parcel.chat_id, new))
            await self._settle(lambda: deliveries.later(parcel, 0, reason))
        elif kind is Kind.DOUBT:
            await self._settle(lambda: deliveries.in_doubt(parcel, reason))
        else:
            is_blocked = kind is Kind.BLOCKED
            await self._settle(lambda: deliveries.failed(parcel, reason, is_blocked=is_blocked))
            logger.warning(
                "a message could not be delivered", extra={"message_id": parcel.message.id, "reason": reason}
            )
        return 0.0

    async def _settle(self, note: Callable[[], object]) -> None:
        """Write the outcome down; a database that is away is waited for as long as the claim is good.

        Raises:
            ReplyXError: it stayed away.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _KEEP_SECONDS
        while True:
            try:
                await self._app.call(note)
                return
            except ReplyXError:
                if loop.time() >= until:
                    raise
            await asyncio.sleep(0.5)

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            # A little longer: the record's clock has to agree.
            await asyncio.wait_for(self._stop.wait(), seconds + 0.02)
        except TimeoutError:
            return

    async def _end(self, stopping: Sequence[asyncio.Task[Any]]) -> None:
        for waiting in stopping:
            waiting.cancel()
        self._outlet.end()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_END_SECONDS)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._topics.close()
        await self._live.close()
        await self._outlet.close()


def _is_chat(chat_id: str) -> bool:
    return chat_id.removeprefix("-").isdecimal()


def _method(parcel: Parcel, part: Rich, draft: int | None, markup: str | None, *, is_last: bool) -> Method:
    text = part.as_html() if markup else part.text
    below = buttons(parcel) if is_last else None
    chat_id, preview = int(parcel.chat_id), LinkPreviewOptions(is_disabled=True)
    if draft is not None:
        return EditMessageText(
            chat_id=chat_id,
            message_id=draft,
            text=text,
            parse_mode=markup,
            reply_markup=below,
            link_preview_options=preview,
        )
    return SendMessage(
        chat_id=chat_id,
        message_thread_id=parcel.thread_id,
        text=text,
        parse_mode=markup,
        reply_markup=below,
        link_preview_options=preview,
    )
