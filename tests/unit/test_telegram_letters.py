"""What a customer reads: the words with their styles, numbered sources, the operator's name, buttons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from replyx.bots.telegram.letters import buttons, letters, marked
from replyx.bots.telegram.splitting import LIMIT
from replyx.dialogs.deliveries import Parcel
from replyx.dialogs.views import MessageView
from replyx.types import Json


def _message(text: str, **fields: Any) -> MessageView:
    known: Json = {"sender": "assistant", "engine": "remote", "reply_id": 5, "outcome": "answered"}
    return MessageView(id=9, dialog_id=1, seq=2, text=text, created_at=datetime.now(UTC), **{**known, **fields})


def _source(filename: str | None, page: int | None = None, url: str | None = None) -> Json:
    return {"filename": filename, "page": page, "url": url, "heading": None}


def _parcel(message: MessageView, **fields: Any) -> Parcel:
    known: Json = {"part": 0, "parts": 1, "doubts": 0, "draft_id": None, "may_call_person": True, "is_blocked": False}
    place: Json = {"delivery_id": 1, "fence": 1, "dialog_id": 1, "chat_id": "1", "thread_id": None, "language": "ru"}
    return Parcel(message=message, **{**place, **known, **fields})


def _html(message: MessageView, language: str = "ru") -> str:
    (letter,) = letters(message, language)
    return letter.as_html()


def test_only_models_write_markdown() -> None:
    assert _html(_message("**да**")) == "<b>да</b>"
    assert _html(_message("**да**", engine="extractive")) == "**да**"
    assert _html(_message("**да**", engine="qa")) == "**да**"


def test_sources_are_numbered_as_the_answer_cites_them() -> None:
    sources = (
        _source("правила.pdf", 3),
        _source("цены.docx"),
        _source("сайт", url="https://a.example/x?a=1&b=2"),
        _source("опасный", url="javascript:alert(1)"),
    )
    assert _html(_message("Два дня [1], точнее [3][9] и [4].", sources=sources)) == (
        "Два дня [1], точнее [3][9] и [4].\n\n<b>Источники</b>\n1. правила.pdf, с. 3\n"
        '3. <a href="https://a.example/x?a=1&amp;b=2">сайт</a>\n4. опасный'
    )


def test_an_answer_that_cites_nothing_lists_each_source_once() -> None:
    sources = (_source("a.pdf", 1), _source("a.pdf", 1), _source(None), _source("b.pdf"))
    shown = _html(_message("Да.", sources=sources, engine="extractive"), "en")
    assert shown == "Да.\n\n<b>Sources</b>\n1. a.pdf, p. 1\n2. b.pdf"


def test_what_was_not_found_names_no_sources() -> None:
    assert _html(_message("Нет.", sources=(_source("a.pdf"),), outcome="not_found")) == "Нет."


def test_an_operators_name_stands_above_the_words() -> None:
    said = _message("Добрый *день*", sender="operator", operator_name="Анна <b>", engine=None, outcome=None)
    assert _html(said) == "👤 <b>Анна &lt;b&gt;</b>\nДобрый *день*"
    joined = replace(said, text="Оператор Анна <b> подключился к диалогу")
    assert _html(joined) == "Оператор Анна &lt;b&gt; подключился к диалогу"


@pytest.mark.parametrize("text", ["", "  \n", "***", "> "])
def test_nothing_makes_no_letter_and_no_lonely_list_of_sources(text: str) -> None:
    found = letters(_message(text, sources=(_source("a.pdf"),)), "ru")
    assert all(letter.text.strip() for letter in found)
    assert found == [] or text == "***"


def test_a_mark_is_left_out_where_there_is_no_room() -> None:
    (short,) = letters(_message("Да."), "en")
    assert marked(short, "en").text == (
        "You may have got this message already: the connection broke while it was sent.\n\nДа."
    )
    (full,) = letters(_message("а" * LIMIT), "ru")
    assert marked(full, "ru") == full


def _keys(parcel: Parcel) -> list[list[str]]:
    markup = buttons(parcel)
    return [[key.text for key in row] for row in markup.inline_keyboard] if markup else []


def test_buttons_stand_below_an_answer_and_below_nothing_else() -> None:
    answer = _message("Да.")
    assert _keys(_parcel(answer)) == [["👍", "👎"], ["Позвать оператора"]]
    assert _keys(_parcel(answer, language="en")) == [["👍", "👎"], ["Call a person"]]
    assert _keys(_parcel(answer, may_call_person=False)) == [["👍", "👎"]]
    assert _keys(_parcel(replace(answer, outcome="not_found"))) == [["Позвать оператора"]]
    assert _keys(_parcel(replace(answer, sender="operator"))) == []
    assert _keys(_parcel(replace(answer, reply_id=None))) == []
