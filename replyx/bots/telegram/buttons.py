"""Buttons that people press: the call for a person and ratings below answers, and those of the operators' group."""

from __future__ import annotations

import logging
from typing import Any

from aiogram.exceptions import AiogramError
from aiogram.methods import AnswerCallbackQuery, EditMessageReplyMarkup, TelegramMethod
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message

from replyx.app import App
from replyx.bots.telegram.letters import BAD, CALL_PERSON, GOOD, answer_buttons
from replyx.bots.telegram.operators import DESK, on_desk_button
from replyx.bots.telegram.outlet import RunningBot
from replyx.bots.telegram.wording import say
from replyx.dialogs.inbox import BUTTON_TEXTS
from replyx.dialogs.texts import language_of
from replyx.errors import NotFound
from replyx.types import Channel, Handoff, InboundMessage

logger = logging.getLogger(__name__)


async def on_callback(app: App, bot: RunningBot, update_id: int, query: CallbackQuery) -> None:
    """Do what a pressed button says; the same update again does nothing more.

    Raises:
        ReplyXError: it could not be written down, and should be tried again.
    """
    data = query.data or ""
    language = language_of(query.from_user.language_code)
    try:
        if data.startswith(DESK):
            words, is_alert = await on_desk_button(app, bot, query)
        elif data == CALL_PERSON:
            words, is_alert = await _call_person(app, bot, update_id, query, language), False
        elif data.startswith((GOOD, BAD)):
            words, is_alert = await _rate(app, bot, query, language), False
        else:
            words, is_alert = say("outdated", language), False
    except NotFound:
        words, is_alert = say("outdated", language), False
    # Without an answer the button shows a clock for half a minute.
    await attempt(bot, AnswerCallbackQuery(callback_query_id=query.id, text=words[:200], show_alert=is_alert))


async def attempt(bot: RunningBot, method: TelegramMethod[Any]) -> None:
    """Make a call that nothing depends on."""
    try:
        await bot.api(method, request_timeout=10)
    except (AiogramError, OSError) as error:
        logger.info("a courtesy call to Telegram failed", extra={"error": type(error).__name__})


async def _call_person(app: App, bot: RunningBot, update_id: int, query: CallbackQuery, language: str) -> str:
    """The button says what the widget's says: it is a message of the customer, and the record shows it."""
    message = query.message
    if message is None:
        raise NotFound
    thread_id = message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None
    dialog = await app.call(app.chats.dialog_of, bot.assistant_id, message.chat.id, thread_id)
    if dialog.handoff_status in (Handoff.REQUESTED, Handoff.ACTIVE):
        return say("called_already", language)
    text = BUTTON_TEXTS[1 if language == "en" else 0]
    inbound = InboundMessage(Channel.TELEGRAM, dialog.id, text, external_id=f"button:{update_id}")
    await app.call(app.inbox.receive, inbound)
    if isinstance(message, Message) and message.reply_markup is not None:
        rows = message.reply_markup.inline_keyboard
        kept = [row for row in rows if all(key.callback_data != CALL_PERSON for key in row)]
        await _show_buttons(bot, message, kept)
    return say("called", language)


async def _rate(app: App, bot: RunningBot, query: CallbackQuery, language: str) -> str:
    message = query.message
    _, rating, number = (query.data or "").split(":")
    if message is None or not number.isdecimal():
        raise NotFound
    answer = await app.call(app.chats.rate, bot.assistant_id, message.chat.id, int(number), int(rating))
    if isinstance(message, Message) and message.reply_markup is not None:
        rows = message.reply_markup.inline_keyboard
        others = [row for row in rows if not str(row[0].callback_data).startswith((GOOD, BAD))]
        await _show_buttons(bot, message, [answer_buttons(answer), *others])
    return say("rated", language)


async def _show_buttons(bot: RunningBot, message: Message, rows: list[Any]) -> None:
    markup = InlineKeyboardMarkup(inline_keyboard=rows)
    method = EditMessageReplyMarkup(chat_id=message.chat.id, message_id=message.message_id, reply_markup=markup)
    await attempt(bot, method)
