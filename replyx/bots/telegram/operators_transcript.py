"""What operators read in a topic: the dialog's events in words, and its state with the buttons that fit it."""

from __future__ import annotations

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from replyx.bots.telegram.markup import Rich, Span, from_markdown, join, plain
from replyx.bots.telegram.wording import say
from replyx.dialogs.topics import TopicWork
from replyx.events import catalogue
from replyx.types import EngineName, Handoff, Json, Sender

#: What buttons send back; behind the mark stands the dialog's id.
TAKE, RELEASE, CLOSE = "desk:take:", "desk:release:", "desk:close:"

#: The key of messages that were written in the topic, and stand there already.
FROM_TOPIC = "topic:"

_LONGEST_NAME = 128


def customer_name(work: TopicWork) -> str:
    """What the customer is called."""
    dialog = work.dialog
    name = " ".join(part for part in (dialog.first_name, dialog.last_name) if part)
    return name or dialog.telegram_username or dialog.email or say("customer", work.language)


def topic_name(work: TopicWork) -> str:
    """`#17 Иван Петров · telegram`."""
    return f"#{work.dialog.id} {customer_name(work)} · {work.dialog.platform}"[:_LONGEST_NAME]


def transcript(work: TopicWork) -> Rich:
    """The events that the topic lacks, in their order; empty where none of them is to be seen."""
    pieces: list[Rich] = []
    for event in work.events:
        piece = _line(work, event)
        if piece is not None:
            pieces += [Rich("\n\n"), piece] if pieces else [piece]
    return join(pieces)


def panel_state(work: TopicWork) -> str:
    """What the panel depends on, in short."""
    dialog = work.dialog
    return f"{dialog.handoff_status}:{dialog.taken_over_by or ''}:{(dialog.operator_name or '')[:80]}"


def panel(work: TopicWork) -> tuple[Rich, InlineKeyboardMarkup]:
    """The dialog's state and the buttons that change it."""
    status, language = work.dialog.handoff_status, work.language
    name = work.dialog.operator_name or ""
    words = say(f"state_{status}", language, name=name)
    hint = say("panel_hint", language)
    text = Rich(f"{words}\n\n{hint}", (Span(0, len(words), "b"),))
    keys = {
        Handoff.ACTIVE: (("release", RELEASE), ("close", CLOSE)),
        Handoff.REQUESTED: (("take", TAKE), ("close", CLOSE)),
    }.get(Handoff(status), (("take", TAKE), ("close", CLOSE)))
    row = [InlineKeyboardButton(text=say(key, language), callback_data=f"{mark}{work.dialog.id}") for key, mark in keys]
    return text, InlineKeyboardMarkup(inline_keyboard=[row])


def _line(work: TopicWork, event: Json) -> Rich | None:
    kind, language = event["type"], work.language
    if kind == catalogue.NEW_MESSAGE:
        return _message(work, event["message"])
    if kind == catalogue.HANDOFF_REQUESTED:
        return _notice(say("asked", language, reason=say(f"reason_{event['reason']}", language)))
    if kind == catalogue.HANDOFF_STARTED:
        return _notice(say("taken", language, name=str(event["manager"]["name"])))
    if kind == catalogue.HANDOFF_RELEASED:
        return _notice(say("given_back", language))
    if kind == catalogue.DELIVERY_CHANGED:
        return _notice(say(f"delivery_{event['state']}", language, reason=str(event["reason"])))
    if kind == catalogue.MESSAGE_RATED:
        return _notice(say("rating", language, face="👍" if event["rating"] > 0 else "👎"))
    return None


def _message(work: TopicWork, message: Json) -> Rich | None:
    if str(message.get("client_msg_id") or "").startswith(FROM_TOPIC):
        return None
    sender = message["sender"]
    is_written = message.get("engine") in (EngineName.REMOTE, EngineName.LOCAL)
    body = from_markdown(message["text"]) if is_written else plain(message["text"])
    if sender == Sender.USER:
        name = f"🙂 {customer_name(work)}"
    elif sender == Sender.OPERATOR:
        name = f"👤 {message.get('operator_name') or say('operator', work.language)}"
    else:
        name = f"🤖 {say('assistant', work.language)}"
    return join([Rich(f"{name}\n", (Span(2, len(name), "b"),)), body])


def _notice(words: str) -> Rich:
    return Rich(words, (Span(0, len(words), "i"),))
