"""An answer shown while it is written: a message that is changed at most once a second, or the word that one types.

The message ends in a mark until the answer's delivery turns it into the answer, so a half one never looks whole; its
id is in the record, so whoever comes after a crash turns it into the answer or takes it away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiogram.exceptions import AiogramError
from aiogram.methods import DeleteMessage, EditMessageText, SendChatAction, SendMessage, TelegramMethod
from aiogram.types import LinkPreviewOptions, Message

from replyx.app import App
from replyx.bots.telegram.markup import Rich, from_markdown
from replyx.bots.telegram.outlet import Outlet
from replyx.bots.telegram.splitting import LIMIT, split
from replyx.bots.telegram.verdicts import Kind
from replyx.dialogs.views import MessageView
from replyx.errors import ReplyXError
from replyx.types import Json, Sender

logger = logging.getLogger(__name__)

#: Seconds that an answer has to take before half of it is shown, and characters that it must have by then.
FIRST_SECONDS = 1.0
_LEAST = 12

#: Seconds that an answer has to take before it is shown that somebody types.
_TYPING_AFTER = 0.2

#: Seconds for which Telegram shows that somebody types.
_TYPING_SECONDS = 4.5

_TRANSIENT = (Kind.LATER, Kind.WAIT, Kind.DOUBT)

#: What a text ends in that is still being written.
UNFINISHED = " ▍"


class LiveAnswers:
    """One bot's answers under way, one in each dialog."""

    def __init__(self, app: App, outlet: Outlet) -> None:
        self._app, self._outlet = app, outlet
        self._live: dict[int, _LiveAnswer] = {}
        self._cleaning: asyncio.Future[None] | None = None

    def expect(self, news: Json) -> None:
        """An answer is owed in a dialog: show that it is being written."""
        dialog_id = news["dialog_id"]
        before = self._live.get(dialog_id)
        if before is None or before.is_over:
            live = self._live[dialog_id] = _LiveAnswer(self._app, self._outlet, news)
            live.start(lambda: self._forget(dialog_id, live))

    def progress(self, news: Json) -> None:
        """So much of an answer is written."""
        self.expect(news)
        live = self._live[news["dialog_id"]]
        if live.reply_id == news["reply_id"]:
            live.text = news["text"]

    async def finish(self, dialog_id: int, message: MessageView) -> int | None:
        """`message` is to be sent. Where it is the answer, what shows it so far changes no more: the id of that.

        Where it is an operator's, the answer does not come.
        """
        live = self._live.get(dialog_id)
        if live is None:
            return None
        if message.reply_id == live.reply_id:
            return await live.finish()
        if message.sender == Sender.OPERATOR:
            live.give_up()
        return None

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(live.close() for live in list(self._live.values())))

    async def clean(self) -> None:
        """Take away what was shown of answers that will not come."""
        try:
            stale = await self._app.call(self._app.deliveries.stale_drafts, self._outlet.assistant_id)
            for reply_id, chat_id, message_id in stale:
                chat = int(chat_id)
                verdict = await self._outlet.call(
                    DeleteMessage(chat_id=chat, message_id=message_id), chat, is_paced=False
                )
                if verdict.kind not in _TRANSIENT:
                    await self._app.call(self._app.deliveries.forget_draft, reply_id)
        except ReplyXError as error:
            logger.warning("drafts could not be cleaned up", extra={"error": error.message_en})

    def _forget(self, dialog_id: int, live: _LiveAnswer) -> None:
        if self._live.get(dialog_id) is live:
            del self._live[dialog_id]
        if live.is_left and self._outlet.is_steady:
            self._cleaning = asyncio.ensure_future(self.clean())


class _LiveAnswer:
    """One answer under way."""

    def __init__(self, app: App, outlet: Outlet, news: Json) -> None:
        self._app, self._outlet = app, outlet
        self._dialog_id, self.reply_id = news["dialog_id"], news["reply_id"]
        self._chat_id, self._thread_id = int(news["chat_id"]), news["thread_id"]
        self._may_edit = app.config.bots.stream == "edit"
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        #: What is written so far, and what of it is shown.
        self.text = ""
        self._shown = ""
        self._message_id: int | None = None
        self._changing = asyncio.Lock()
        self._came = False

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def start(self, done: Callable[[], None]) -> None:
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(lambda _task: done())

    @property
    def is_left(self) -> bool:
        """Whether something is shown of an answer that did not come."""
        return self._message_id is not None and not self._came

    async def finish(self) -> int | None:
        """The answer is there: wait for a change under way, and make no other."""
        self._came = True
        self._over.set()
        async with self._changing:
            return self._message_id

    def give_up(self) -> None:
        """The answer does not come."""
        self._over.set()

    async def close(self) -> None:
        """End; what is being sent is waited for."""
        self._over.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            await self._show()
        except (ReplyXError, AiogramError) as error:
            # The answer itself will come; a lane sees a token that was revoked.
            logger.warning("an answer under way could not be shown", extra={"error": type(error).__name__})
        finally:
            self._over.set()

    async def _show(self) -> None:
        """Type, and change the message, until the answer is there or does not come."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        typed = start - _TYPING_SECONDS + _TYPING_AFTER
        longest = self._app.config.answers.timeout_seconds * self._app.config.answers.attempts
        while not self._over.is_set() and loop.time() < start + longest:
            if self._message_id is None and loop.time() - typed >= _TYPING_SECONDS:
                typed = loop.time()
                await self._type()
            if self._may_edit and loop.time() - start >= FIRST_SECONDS:
                async with self._changing:
                    await self._update()
            try:
                await asyncio.wait_for(self._over.wait(), 0.2)
            except TimeoutError:
                continue

    async def _type(self) -> None:
        if self._outlet.is_steady:
            action = SendChatAction(chat_id=self._chat_id, action="typing", message_thread_id=self._thread_id)
            await self._outlet.call_now(action, self._chat_id)

    async def _update(self) -> None:
        """Show what has come since, if it is the chat's turn."""
        text = self.text
        if self._over.is_set() or not self._outlet.is_steady:
            return
        if len(text) < _LEAST or text == self._shown or not self._outlet.pace.try_turn(self._chat_id):
            return
        self._shown = text
        parts = split(from_markdown(text), LIMIT - len(UNFINISHED))
        if not parts:
            return
        shown = parts[0] + Rich(UNFINISHED)
        verdict = await self._outlet.call_now(self._method(shown.as_html()), self._chat_id)
        if verdict.kind in (Kind.BLOCKED, Kind.REFUSED, Kind.GONE, Kind.MARKUP, Kind.MOVED):
            # The delivery will find out what it means.
            self._may_edit = False
        elif self._message_id is None and isinstance(verdict.result, Message):
            self._message_id = verdict.message_id
            await self._app.call(self._app.deliveries.keep_draft, self._dialog_id, self.reply_id, verdict.message_id)

    def _method(self, html: str) -> TelegramMethod[Message] | TelegramMethod[Message | bool]:
        preview = LinkPreviewOptions(is_disabled=True)
        if self._message_id is not None:
            return EditMessageText(
                chat_id=self._chat_id,
                message_id=self._message_id,
                text=html,
                parse_mode="HTML",
                link_preview_options=preview,
            )
        return SendMessage(
            chat_id=self._chat_id,
            message_thread_id=self._thread_id,
            text=html,
            parse_mode="HTML",
            link_preview_options=preview,
            disable_notification=True,
        )
