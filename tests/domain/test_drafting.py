"""What is said with what was found: follow-ups, asking back, and the numbers of passages."""

from __future__ import annotations

import io
import re

import pytest

from replyx.testing.llm_answers import Scenario
from tests.support.desk import Desk

_SHOP = """# Доставка
Доставка курьером по городу стоит триста рублей. В другие города заказ едет от трёх до семи дней.

# Возврат
Товар можно вернуть за 14 дней, если сохранён чек. Деньги приходят на карту за три дня.

# Гарантия
На технику действует гарантия один год, сервисный центр находится в Казани.
"""
_QUOTED = re.compile(r" \[\d+\]$")


@pytest.fixture
def shop(desk: Desk) -> Desk:
    document = desk.app.knowledge.add_document(desk.owner, desk.assistant.id, "shop.md", io.BytesIO(_SHOP.encode()))
    assert desk.app.knowledge.ingest(document.id) is not None
    return desk


def _quoting(shop: Desk) -> None:
    shop.app.assistants.update(shop.owner, shop.assistant.id, {"ai_model": "extractive"})


def test_a_follow_up_is_answered_from_what_it_leans_on(shop: Desk) -> None:
    _quoting(shop)
    dialog = shop.open_dialog()
    shop.ask(dialog, "Есть ли у вас доставка курьером по городу?")

    answer = shop.ask(dialog, "а сколько это стоит?")

    assert answer is not None
    assert "триста рублей" in answer.text


def test_a_model_says_what_a_follow_up_means_where_words_find_nothing(shop: Desk) -> None:
    dialog = shop.open_dialog()
    shop.llm.standing = Scenario(text="Холодильники и телевизоры, да.")
    shop.ask(dialog, "Вы продаёте бытовую технику?")
    shop.llm.script(Scenario(text="Какая гарантия на технику?"), Scenario(text="Гарантия один год."))

    answer = shop.ask(dialog, "а вдруг это сломается?")

    assert answer is not None
    assert answer.outcome == "answered"
    assert "гарантия один год" in answer.sources[0]["quote"]
    rewriting = next(one for one in shop.llm.requests if "самостоятельным вопросом" in one.messages[0]["content"])
    assert "Вы продаёте бытовую технику?" in rewriting.messages[1]["content"]
    assert "Отрывки" not in rewriting.messages[1]["content"]


def test_a_model_that_cannot_say_what_a_follow_up_means_changes_nothing(shop: Desk) -> None:
    dialog = shop.open_dialog()
    shop.ask(dialog, "Вы продаёте космические корабли?")
    shop.llm.standing = Scenario(status=500)

    answer = shop.ask(dialog, "а почём они?")

    assert answer is not None
    assert answer.outcome == "not_found"


def test_a_quotation_stands_in_its_passage_and_names_it(shop: Desk) -> None:
    _quoting(shop)

    answer = shop.ask(shop.open_dialog(), "Как вернуть товар?")

    assert answer is not None
    assert answer.text.endswith(" [1]")
    assert _QUOTED.sub("", answer.text) in _SHOP


def test_sentences_of_a_model_that_rest_on_a_passage_get_its_number(shop: Desk) -> None:
    shop.llm.standing = Scenario(text="Товар можно вернуть за 14 дней. Чем ещё помочь? Гарантия действует год [9].")

    answer = shop.ask(shop.open_dialog(), "Как вернуть товар?")

    assert answer is not None
    assert answer.text.startswith("Товар можно вернуть за 14 дней [1]. Чем ещё помочь?")
    assert "[9]" not in answer.text


def test_what_is_nearly_known_is_asked_back_about_and_what_is_not_is_refused(shop: Desk) -> None:
    shop.app.assistants.update(shop.owner, shop.assistant.id, {"answer_threshold": 0.999})
    near = shop.ask(shop.open_dialog(), "Какая гарантия на посуду?")
    far = shop.ask(shop.open_dialog(), "Кто написал «Войну и мир»?")

    assert near is not None
    assert far is not None
    assert (near.outcome, far.outcome) == ("not_found", "not_found")
    assert "• Гарантия" in near.text
    assert "•" not in far.text


def test_an_assistant_moves_what_it_asks_back_about(shop: Desk) -> None:
    shop.app.assistants.update(shop.owner, shop.assistant.id, {"answer_threshold": 0.999, "clarify_threshold": 1})
    near = shop.ask(shop.open_dialog(), "Какая гарантия на посуду?")
    shop.app.assistants.update(shop.owner, shop.assistant.id, {"clarify_threshold": 0})
    far = shop.ask(shop.open_dialog(), "Где купить посуду подешевле?")

    assert near is not None
    assert far is not None
    assert (near.outcome, far.outcome) == ("not_found", "not_found")
    assert "•" not in near.text
    assert "•" in far.text
