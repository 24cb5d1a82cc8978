"""Operators who work in Telegram: what they write in a topic goes to the customer, their buttons move the dialog.

Who an account is was proven once by a code (`/link CODE`). What a stranger writes in the group reaches nobody.
"""

from __future__ import annotations

import logging
import re

from aiogram.exceptions import AiogramError
from aiogram.methods import SendMessage
from aiogram.types import CallbackQuery, Message, ReplyParameters

from replyx.app import App
from replyx.bots.telegram.operators_transcript import CLOSE, FROM_TOPIC, RELEASE, TAKE
from replyx.bots.telegram.outlet import RunningBot
from replyx.bots.telegram.wording import say
from replyx.dialogs.texts import language_of
from replyx.errors import Conflict, NotFound, ReplyXError
from replyx.types import Actor, Handoff

logger = logging.getLogger(__name__)

#: What the data of all buttons in the operators' group begins with.
DESK = "desk:"

#: What a note for colleagues begins with.
NOTE = "//"

_LINK = re.compile(r"/link(?:@\w+)?(?:\s+(\S+))?\s*")


async def on_message(app: App, bot: RunningBot, update_id: int, message: Message) -> bool:
    """Take a message that is an operator's: written in the operators' group, or `/link CODE` anywhere.

    False: it is a customer's. The same update again does nothing more.

    Raises:
        ReplyXError: the record is away; the update should be tried again.
    """
    group_id, tenant_id = await app.call(app.topics.group_of, bot.assistant_id)
    if not is_operators(message, group_id):
        return False
    link = _LINK.fullmatch(message.text or "")
    if link is not None:
        await _link(app, bot, message, link.group(1) or "", tenant_id)
        return True
    if _is_to_be_sent(message):
        await _say(app, bot, update_id, message, tenant_id)
    return True


def is_operators(message: Message, group_id: int | None) -> bool:
    """Whether a message is an operator's, where `group_id` is the operators' group."""
    is_link = message.from_user is not None and _LINK.fullmatch(message.text or "") is not None
    return is_link or (group_id is not None and message.chat.id == group_id)


async def on_desk_button(app: App, bot: RunningBot, query: CallbackQuery) -> tuple[str, bool]:
    """Take, release or close a dialog; what is shown to who pressed, and whether it has to be confirmed.

    Raises:
        ReplyXError: the record is away. NotFound: no such dialog here.
    """
    language = language_of(query.from_user.language_code)
    group_id, tenant_id = await app.call(app.topics.group_of, bot.assistant_id)
    message, data = query.message, query.data or ""
    number = data.rpartition(":")[2]
    if message is None or message.chat.id != group_id or not number.isdecimal():
        raise NotFound
    found = await app.call(app.telegram_links.actor_of, query.from_user.id, tenant_id)
    if found is None:
        return say("not_linked_short", language), True
    actor, name = found
    dialog_id = int(number)
    try:
        if data.startswith(TAKE):
            await app.call(app.handoffs.take, actor, dialog_id, operator_name=name)
            return say("you_have_it", language), False
        if data.startswith(RELEASE):
            await app.call(app.handoffs.release, actor, dialog_id)
            return say("state_released", language), False
        if data.startswith(CLOSE):
            await app.call(app.handoffs.release, actor, dialog_id)
            await app.call(app.dialogs.set_status, actor, dialog_id, "archived")
            return say("closed", language), False
    except Conflict as error:
        return error.message(language), True
    raise NotFound


def _is_to_be_sent(message: Message) -> bool:
    """Whether a message of the group stands in a topic, was written by somebody, and is no note."""
    author = message.from_user
    is_persons = message.sender_chat is not None or (author is not None and not author.is_bot)
    is_news = message.content_type not in _CONTENT
    text = message.text or message.caption or ""
    return bool(message.is_topic_message) and is_persons and not is_news and not text.lstrip().startswith(NOTE)


#: Kinds of messages that somebody writes; others tell of a topic's name, a pinned message and the like.
_CONTENT = frozenset(
    {
        "text",
        "photo",
        "document",
        "voice",
        "video",
        "video_note",
        "audio",
        "sticker",
        "animation",
        "location",
        "contact",
    }
)


async def _say(app: App, bot: RunningBot, update_id: int, message: Message, tenant_id: int) -> None:
    """Send an operator's words to the customer; what cannot be sent is said in the topic."""
    author = message.from_user
    language = language_of(author.language_code if author else None)
    thread_id = message.message_thread_id
    dialog_id = await app.call(app.topics.dialog_of, bot.assistant_id, message.chat.id, thread_id or 0)
    if dialog_id is None:
        return
    found = None
    if author is not None and message.sender_chat is None:
        found = await app.call(app.telegram_links.actor_of, author.id, tenant_id)
    if found is None:
        await _reply(bot, message, say("not_linked", language))
        return
    if not message.text:
        await _reply(bot, message, say("text_only", language))
        return
    actor, name = found
    try:
        await app.call(_say_and_take, app, actor, dialog_id, message.text, name, f"{FROM_TOPIC}{update_id}")
    except NotFound:
        await _reply(bot, message, say("no_dialog", language))
    except ReplyXError as error:
        if error.status >= 500:
            raise
        await _reply(bot, message, say("refused", language, reason=error.message(language)))


def _say_and_take(app: App, actor: Actor, dialog_id: int, text: str, name: str, external_id: str) -> None:
    """Who answers has the dialog, unless a colleague has it: the assistant is silent from then on."""
    known = app.dialogs.find_message(actor, dialog_id, external_id)
    if known:
        return
    if app.dialogs.get(actor, dialog_id).handoff_status != Handoff.ACTIVE:
        try:
            app.handoffs.take(actor, dialog_id, operator_name=name)
        except Conflict:
            logger.info("a colleague took the dialog meanwhile", extra={"dialog_id": dialog_id})
    app.dialogs.say_as_operator(actor, dialog_id, text, operator_name=name, external_id=external_id)


async def _link(app: App, bot: RunningBot, message: Message, code: str, tenant_id: int) -> None:
    author = message.from_user
    if author is None:
        return
    language = language_of(author.language_code)
    user = await app.call(app.telegram_links.redeem, code, author.id, author.full_name, tenant_id)
    if user is None:
        # The update may have been taken up again after a crash: then the link is there already.
        known = await app.call(app.telegram_links.actor_of, author.id, tenant_id)
        words = say("bad_code", language) if known is None else say("linked", language, name=known[1])
    else:
        words = say("linked", language, name=user.first_name or author.full_name)
    await _reply(bot, message, words)


async def _reply(bot: RunningBot, message: Message, words: str) -> None:
    method = SendMessage(
        chat_id=message.chat.id,
        message_thread_id=message.message_thread_id if message.is_topic_message else None,
        text=words,
        reply_parameters=ReplyParameters(message_id=message.message_id, allow_sending_without_reply=True),
    )
    try:
        await bot.api(method, request_timeout=10)
    except (AiogramError, OSError) as error:
        logger.warning("an operator could not be told", extra={"error": type(error).__name__})
