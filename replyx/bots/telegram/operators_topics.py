"""The operators' group: each dialog that asks for a person has a topic, which follows the dialog's events."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiogram.exceptions import TelegramUnauthorizedError
from aiogram.methods import (
    CloseForumTopic,
    CreateForumTopic,
    EditMessageText,
    PinChatMessage,
    ReopenForumTopic,
    SendMessage,
    TelegramMethod,
)
from aiogram.types import ForumTopic, LinkPreviewOptions

from replyx.app import App
from replyx.bots.telegram.operators_transcript import panel, panel_state, topic_name, transcript
from replyx.bots.telegram.outlet import Outlet
from replyx.bots.telegram.splitting import split
from replyx.bots.telegram.verdicts import Kind, Verdict
from replyx.dialogs.topics import TopicWork
from replyx.errors import ReplyXError
from replyx.types import Handoff

logger = logging.getLogger(__name__)

#: Seconds after which a topic that could not be filled is tried again.
_AGAIN_SECONDS = 5.0
_REFUSED_SECONDS = 60.0


class _Failed(Exception):
    """Telegram did not do what was asked; to be tried again in `seconds`."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        is_passing = verdict.kind in (Kind.LATER, Kind.WAIT, Kind.DOUBT, Kind.MOVED)
        self.seconds = max(verdict.seconds, _AGAIN_SECONDS) if is_passing else _REFUSED_SECONDS


class Topics:
    """One bot's topics, filled one after the other in tasks of their own."""

    def __init__(self, app: App, outlet: Outlet) -> None:
        self._app, self._outlet = app, outlet
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()

    def show(self, dialog_id: int) -> None:
        """There is something new in the dialog."""
        if dialog_id in self._tasks:
            self._again.add(dialog_id)
            return
        task = self._tasks[dialog_id] = asyncio.ensure_future(self._fill(dialog_id))
        task.add_done_callback(lambda done: self._ended(dialog_id, done))

    async def look(self) -> None:
        """Find topics that lag behind the record.

        Raises:
            ReplyXError: the record cannot be read.
        """
        for dialog_id in await self._app.call(self._app.topics.waiting, self._outlet.assistant_id):
            self.show(dialog_id)

    async def close(self) -> None:
        """End; what is being sent is waited for a moment."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=2.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, dialog_id: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(dialog_id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, TelegramUnauthorizedError):
            logger.error("a topic could not be shown", exc_info=error, extra={"dialog_id": dialog_id})

    async def _fill(self, dialog_id: int) -> None:
        topics = self._app.topics
        try:
            while True:
                self._again.discard(dialog_id)
                work = await self._app.call(topics.claim, dialog_id)
                if work is None:
                    if dialog_id in self._again:
                        continue
                    return
                try:
                    await self._show(work)
                except _Failed as failure:
                    logger.warning(
                        "the operators' group cannot be shown a dialog",
                        extra={"dialog_id": dialog_id, "error": str(failure)},
                    )
                    await self._app.call(topics.done, work.topic_id, again_in=failure.seconds, error=str(failure))
                    return
                await self._app.call(topics.done, work.topic_id)
        except ReplyXError as error:
            logger.warning("a topic has to wait", extra={"dialog_id": dialog_id, "error": error.message_en})

    async def _show(self, work: TopicWork) -> None:
        """Bring the topic up to the record: the topic itself, what was said, the state with its buttons."""
        topics = self._app.topics
        thread_id = work.thread_id
        if thread_id is None:
            thread_id = await self._make(work)
        elif work.is_closed and work.dialog.handoff_status in (Handoff.REQUESTED, Handoff.ACTIVE):
            await self._call(work, ReopenForumTopic(chat_id=work.group_id, message_thread_id=thread_id))
            await self._app.call(topics.note, work.topic_id, is_closed=False)
        for part in split(transcript(work)):
            message = _message(work, thread_id, part.as_html())
            await self._call(work, message, is_paced=True)
        await self._show_panel(work, thread_id)
        if work.events:
            # Last: whoever comes after a crash shows a word twice rather than a state never.
            await self._app.call(topics.note, work.topic_id, shown_seq=work.events[-1]["seq"])
        elif work.dialog.status == "archived":
            await self._close(work, thread_id)

    async def _make(self, work: TopicWork) -> int:
        verdict = await self._call(work, CreateForumTopic(chat_id=work.group_id, name=topic_name(work)), is_paced=True)
        if not isinstance(verdict.result, ForumTopic):
            raise _Failed(verdict)
        thread_id = verdict.result.message_thread_id
        await self._app.call(self._app.topics.note, work.topic_id, thread_id=thread_id)
        return thread_id

    async def _show_panel(self, work: TopicWork, thread_id: int) -> None:
        """The pinned message with the state and the buttons that fit it."""
        state = panel_state(work)
        if state == work.panel_state and work.panel_id is not None:
            return
        text, buttons = panel(work)
        panel_id = work.panel_id
        if panel_id is not None:
            edit = EditMessageText(
                chat_id=work.group_id,
                message_id=panel_id,
                text=text.as_html(),
                parse_mode="HTML",
                reply_markup=buttons,
            )
            verdict = await self._outlet.call(edit, work.group_id)
            if verdict.kind is Kind.GONE:
                panel_id = None
            elif verdict.kind is not Kind.DONE:
                raise _Failed(verdict)
        if panel_id is None:
            sent = await self._call(work, _message(work, thread_id, text.as_html(), buttons), is_paced=True)
            panel_id = sent.message_id
            pin = PinChatMessage(chat_id=work.group_id, message_id=panel_id, disable_notification=True)
            # A group where the bot may not pin works as well.
            await self._outlet.call(pin, work.group_id, is_paced=False)
        await self._app.call(self._app.topics.note, work.topic_id, panel_id=panel_id, panel_state=state)

    async def _close(self, work: TopicWork, thread_id: int) -> None:
        await self._call(work, CloseForumTopic(chat_id=work.group_id, message_thread_id=thread_id))
        await self._app.call(self._app.topics.note, work.topic_id, is_closed=True)

    async def _call(self, work: TopicWork, method: TelegramMethod[Any], *, is_paced: bool = False) -> Verdict:
        verdict = await self._outlet.call(method, work.group_id, is_paced=is_paced)
        if verdict.kind is Kind.MOVED:
            new = str(verdict.chat_id)
            await self._app.call(self._app.deliveries.move_chat, self._outlet.assistant_id, str(work.group_id), new)
        # That a topic is open or closed already is what was wanted.
        is_harmless = isinstance(method, ReopenForumTopic | CloseForumTopic) and verdict.kind is Kind.REFUSED
        if verdict.kind is not Kind.DONE and not is_harmless:
            raise _Failed(verdict)
        return verdict


def _message(work: TopicWork, thread_id: int, html: str, buttons: Any = None) -> SendMessage:
    return SendMessage(
        chat_id=work.group_id,
        message_thread_id=thread_id,
        text=html,
        parse_mode="HTML",
        reply_markup=buttons,
        link_preview_options=LinkPreviewOptions(is_disabled=True),
    )
