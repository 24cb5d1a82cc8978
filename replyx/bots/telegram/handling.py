"""What each update does: messages go into dialogs, buttons and operators to their half, the rest changes the chat."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, NamedTuple

from aiogram.types import ChatMemberUpdated, Message, Update
from pydantic import ValidationError

from replyx.app import App
from replyx.bots.telegram.buttons import on_callback
from replyx.bots.telegram.files import keep_file
from replyx.bots.telegram.hearing import Hearing
from replyx.bots.telegram.notices import notice_text
from replyx.bots.telegram.operators import is_operators, on_message
from replyx.bots.telegram.reading import (
    Said,
    contact_of,
    edited_text,
    is_for_bot,
    read_update,
    start_payload,
    what_is_said,
    words_of,
)
from replyx.bots.telegram.running_bot import RunningBot
from replyx.dialogs.arrivals import ChatView
from replyx.dialogs.taking import Words
from replyx.dialogs.updates import StoredUpdate
from replyx.errors import DatabaseUnavailable, ReplyXError
from replyx.types import SYSTEM, Channel, Contact, HandoffReason, InboundMessage

logger = logging.getLogger(__name__)

#: Albums whose caption was seen: their other pictures need no words.
_REMEMBERED_ALBUMS = 200


class Place(NamedTuple):
    """A chat, and a topic of it where it is a forum."""

    chat_id: int
    thread_id: int | None


class Handling:
    """Handles the updates of one bot. Everything may be done again: keys make the second time a no-op."""

    def __init__(self, app: App, bot: RunningBot) -> None:
        self._app, self._bot = app, bot
        self._hearing = Hearing(app, bot)
        self._told_albums: deque[str] = deque(maxlen=_REMEMBERED_ALBUMS)

    async def handle(self, update_id: int, update: Update) -> None:
        """Make the update's effect.

        Raises:
            ReplyXError, TelegramAPIError: not now; it is to be tried again.
        """
        if update.message is not None:
            await self._message(update_id, update.message)
        elif update.edited_message is not None:
            await self._edited(update_id, update.edited_message)
        elif update.callback_query is not None:
            await on_callback(self._app, self._bot, update_id, update.callback_query)
        elif update.my_chat_member is not None:
            await self._membership(update.my_chat_member)

    def plain_words(self, update: StoredUpdate, group_id: int | None) -> tuple[Place, Words] | None:
        """Where and what a customer wrote, where an update is no more than that; None: `handle` has to look at it.

        `group_id` is the operators' group.
        """
        if set(update.payload) != {"update_id", "message"}:
            return None
        try:
            message = read_update(update.payload, self._bot.api).message
        except ValidationError:
            return None
        if message is None or message.text is None or is_operators(message, group_id):
            return None
        words = words_of(message, self._bot.username)
        if not self._is_customers(message) or not words or start_payload(words) is not None:
            return None
        place = Place(message.chat.id, message.message_thread_id if message.is_topic_message else None)
        key = f"tg:{message.chat.id}:{message.message_id}"
        return place, Words(update.id, key, words, contact_of(message))

    async def apologize(self, payload: dict[str, Any]) -> None:
        """Hand the customer behind an update that nobody could read to a person; does nothing for others."""
        message = payload.get("message")
        chat = message.get("chat") if isinstance(message, dict) else None
        if not isinstance(chat, dict) or chat.get("type") != "private" or type(chat.get("id")) is not int:
            return
        number, app = chat["id"], self._app
        contact = Contact(telegram_chat_id=str(number), first_name=str(chat.get("first_name") or "") or None)
        try:
            view = await app.call(app.arrivals.open, self._bot.assistant_id, number, None, contact)
            key = f"tg:{number}:{message.get('message_id')}" if isinstance(message, dict) else None
            text = notice_text("unreadable_label", view.language)
            await self._receive(view, text, key, expects_answer=False)
            await app.call(app.deliveries.notice, view.dialog_id, notice_text("unreadable", view.language), f"{key}:n")
            if not view.is_taken_over:
                await app.call(app.handoffs.request, SYSTEM, view.dialog_id, HandoffReason.FAILED)
        except DatabaseUnavailable:
            raise
        except ReplyXError:
            logger.warning("a customer could not be told", extra={"assistant_id": self._bot.assistant_id})

    async def _message(self, update_id: int, message: Message) -> None:
        app, bot = self._app, self._bot
        if message.migrate_to_chat_id is not None:
            await self._move(message.chat.id, message.migrate_to_chat_id)
            return
        if message.migrate_from_chat_id is not None:
            await self._move(message.migrate_from_chat_id, message.chat.id)
            return
        if await on_message(app, bot, update_id, message) or not self._is_customers(message):
            return
        view = await self._open(message)
        said = what_is_said(message, bot.username, view.language)
        if said is None:
            return
        key = f"tg:{message.chat.id}:{message.message_id}"
        if (payload := start_payload(said.words)) is not None and said.file is None:
            await self._start(view, said.words, payload, message, key)
            return
        heard = await self._hearing.listen(view, said, key)
        said = heard.said
        # A file alone asks nothing that an assistant could answer.
        seq = await self._receive(view, said.text, key, expects_answer=not said.lacks)
        if said.file is not None and heard.stored is not None:
            sent = said.file
            await app.call(app.attachments.keep, view.dialog_id, seq, sent.kind, sent.filename, heard.stored)
        elif said.file is not None:
            await keep_file(app, bot, view, seq, said.file, f"{key}:f")
        if said.lacks and not view.is_taken_over:
            await self._explain(view, message, said, key)

    async def _edited(self, update_id: int, message: Message) -> None:
        app, bot = self._app, self._bot
        if await on_message(app, bot, update_id, message) or not self._is_customers(message):
            return
        view = await self._open(message)
        said = what_is_said(message, bot.username, view.language)
        key = f"tg:{message.chat.id}:{message.message_id}"
        before = await app.call(app.arrivals.said, view.dialog_id, key)
        # Telegram tells of a change also when it has added a preview of a link, or a live location has moved.
        if said is None or said.text == before or (message.location is not None and before is not None):
            return
        text = said.text if before is None else edited_text(said.text, view.language)
        await self._receive(view, text, f"{key}:{message.edit_date or 0}", expects_answer=not said.lacks)

    async def _membership(self, change: ChatMemberUpdated) -> None:
        app, chat = self._app, change.chat
        if chat.type == "private":
            is_blocked = change.new_chat_member.status == "kicked"
            await app.call(app.deliveries.set_blocked, self._bot.assistant_id, str(chat.id), blocked=is_blocked)

    async def _move(self, old: int, new: int) -> None:
        app = self._app
        await app.call(app.deliveries.move_chat, self._bot.assistant_id, str(old), str(new))

    def _is_customers(self, message: Message) -> bool:
        """Whether a person speaks to the bot here."""
        writer = message.from_user
        if writer is None or writer.is_bot or message.is_automatic_forward or message.chat.type == "channel":
            return False
        return is_for_bot(message, self._bot.bot_id, self._bot.username)

    async def _open(self, message: Message) -> ChatView:
        thread = message.message_thread_id if message.is_topic_message else None
        app = self._app
        return await app.call(app.arrivals.open, self._bot.assistant_id, message.chat.id, thread, contact_of(message))

    async def _receive(self, view: ChatView, text: str, key: str | None, *, expects_answer: bool) -> int:
        """Store what was said; answers its `seq`."""
        inbound = InboundMessage(Channel.TELEGRAM, view.dialog_id, text, key, expects_answer=expects_answer)
        receipt = await self._app.call(self._app.inbox.receive, inbound)
        return receipt.message.seq

    async def _start(self, view: ChatView, words: str, payload: str, message: Message, key: str) -> None:
        """Someone opens the bot: it greets, and nothing is paid. The payload says where the link was."""
        await self._receive(view, words, key, expects_answer=False)
        if payload:
            link = f"https://t.me/{self._bot.username}?start={payload}"
            contact = Contact(telegram_chat_id=str(message.chat.id), page_url=link)
            await self._app.call(self._app.arrivals.open, self._bot.assistant_id, message.chat.id, None, contact)
        if not view.is_taken_over:
            await self._app.call(self._app.deliveries.notice, view.dialog_id, view.welcome, f"{key}:n")

    async def _explain(self, view: ChatView, message: Message, said: Said, key: str) -> None:
        """Say what is missing to be answered; of an album once."""
        album = message.media_group_id
        if album is not None:
            if album in self._told_albums:
                return
            self._told_albums.append(album)
            key = f"tg:{message.chat.id}:album:{album}"
        text = notice_text(said.lacks, view.language)
        await self._app.call(self._app.deliveries.notice, view.dialog_id, text, f"{key}:n")
