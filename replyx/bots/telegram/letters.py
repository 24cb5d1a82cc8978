"""What a customer reads in Telegram: a message with its sources, in parts, with the buttons below an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from replyx.bots.telegram.markup import Rich, Span, from_markdown, join, link, plain
from replyx.bots.telegram.splitting import LIMIT, split
from replyx.bots.telegram.wording import say
from replyx.dialogs.deliveries import Parcel
from replyx.dialogs.views import MessageView
from replyx.types import EngineName, Json, Outcome, Sender

#: What buttons send back; behind the marks stands the message's id.
CALL_PERSON = "person"
GOOD, BAD = "rate:1:", "rate:-1:"

#: Engines that write Markdown; what others say are a document's or a person's own words.
_WRITERS = (EngineName.REMOTE, EngineName.LOCAL)

_LONGEST_LABEL = 80

_CITED = re.compile(r"\[(\d{1,2})\]")


def letters(message: MessageView, language: str) -> list[Rich]:
    """The message in parts that Telegram takes; none where it is empty."""
    body = from_markdown(message.text) if message.engine in _WRITERS else plain(message.text)
    if message.sender == Sender.OPERATOR:
        body = _signed(message, body)
    return split(join([body, _sources(message, language)])) if body.text else []


def marked(part: Rich, language: str) -> Rich:
    """`part` with a word that the customer may have got it already, where there is room for it."""
    words = say("repeated", language)
    mark = Rich(f"{words}\n\n", (Span(0, len(words), "i"),))
    return mark + part if mark.units + part.units <= LIMIT else part


def buttons(parcel: Parcel) -> InlineKeyboardMarkup | None:
    """Below an answer, that is below its last part: its rating, and the call for a person."""
    message = parcel.message
    is_answer = message.sender == Sender.ASSISTANT and message.reply_id is not None
    if not is_answer:
        return None
    rows = [answer_buttons(message)] if message.outcome == Outcome.ANSWERED else []
    if parcel.may_call_person:
        rows.append([InlineKeyboardButton(text=say("call", parcel.language), callback_data=CALL_PERSON)])
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None


def answer_buttons(message: MessageView) -> list[InlineKeyboardButton]:
    """👍 and 👎; the one that was chosen is marked."""
    return [
        InlineKeyboardButton(text=f"{face} ✓" if message.rating == value else face, callback_data=f"{mark}{message.id}")
        for face, mark, value in (("👍", GOOD, 1), ("👎", BAD, -1))
    ]


def _signed(message: MessageView, body: Rich) -> Rich:
    """An operator's words with the name above them, unless they begin with who it is."""
    name = message.operator_name
    if not name or name in message.text.split("\n", 1)[0]:
        return body
    return join([Rich(f"👤 {name}", (Span(2, 2 + len(name), "b"),)), Rich("\n"), body])


def _sources(message: MessageView, language: str) -> Rich:
    """The numbered list below an answer: what it cites, or all it rests on where it cites nothing."""
    if message.outcome != Outcome.ANSWERED:
        return Rich("")
    cited = {int(number) for number in _CITED.findall(message.text)}
    rows = _listed(message.sources, cited, language)
    if not rows:
        return Rich("")
    head = say("sources", language)
    lines = [join([Rich(f"\n{number}. "), link(label, url)]) for number, label, url in rows]
    return join([Rich(f"\n\n{head}", (Span(2, 2 + len(head), "b"),)), *lines])


def _listed(sources: Sequence[Json], cited: set[int], language: str) -> list[tuple[int, str, str | None]]:
    """Number, label and address of each source that is shown. Numbers are those that the answer cites."""
    rows: list[tuple[int, str, str | None]] = []
    has_citations = any(1 <= number <= len(sources) for number in cited)
    for number, source in enumerate(sources, 1):
        label = _label(source, language)
        is_new = all(label != other for _, other, _ in rows)
        if label and (number in cited if has_citations else is_new):
            rows.append((number if has_citations else len(rows) + 1, label, source.get("url")))
    return rows


def _label(source: Json, language: str) -> str:
    name = str(source.get("filename") or source.get("heading") or "")
    if not name:
        return ""
    page = source.get("page")
    where = say("page", language, page=str(page)) if page else ""
    name = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
    return f"{name}{where}"
