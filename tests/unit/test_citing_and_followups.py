"""Numbers behind sentences, and questions that lean on earlier ones: pure functions of text."""

from __future__ import annotations

import pytest

from replyx.dialogs.citing import cited
from replyx.dialogs.followups import leans, standing
from replyx.llm.engine import Passage, Turn

_RETURNS = Passage("Товар можно вернуть за 14 дней, если сохранён чек. Деньги приходят на карту за три дня.", 0.9)
_DELIVERY = Passage("Доставка по городу бесплатна. В другие города заказ едет от трёх до семи дней.", 0.7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Товар можно вернуть за 14 дней.", "Товар можно вернуть за 14 дней [1]."),
        ("Товар можно вернуть за 14 дней [1].", "Товар можно вернуть за 14 дней [1]."),
        ("Товар можно вернуть за 14 дней. [1]", "Товар можно вернуть за 14 дней. [1]"),
        ("Доставка по городу бесплатна! Хотите что-то ещё?", "Доставка по городу бесплатна [2]! Хотите что-то ещё?"),
        ("Доставка по городу бесплатна [7].", "Доставка по городу бесплатна [2]."),
        ("Доставка по городу бесплатна [2, 9].", "Доставка по городу бесплатна [2]."),
        (
            "Вернуть товар можно за 14 дней. Деньги приходят на карту за три дня.",
            "Вернуть товар можно за 14 дней [1]. Деньги приходят на карту за три дня [1].",
        ),
        ("- доставка по городу бесплатна\n- здравствуйте", "- доставка по городу бесплатна [2]\n- здравствуйте"),
        ("Версия вышла в [2019] году.", "Версия вышла в [2019] году."),
        ("Здравствуйте! Чем помочь?", "Здравствуйте! Чем помочь?"),
        ("", ""),
    ],
)
def test_a_sentence_that_rests_on_a_passage_has_its_number(text: str, expected: str) -> None:
    assert cited(text, [_RETURNS, _DELIVERY]) == expected


def test_without_passages_nothing_is_cited() -> None:
    assert cited("Товар можно вернуть [1].", []) == "Товар можно вернуть [1]."


@pytest.mark.parametrize(
    "question",
    [
        "а сколько это стоит?",
        "А в другие города?",
        "И когда?",
        "how much is it",
        "what about Berlin?",
        "почему?",
        "Он работает?",
    ],
)
def test_a_question_may_lean_on_what_was_said_before(question: str) -> None:
    assert leans(question)


@pytest.mark.parametrize(
    "question",
    [
        "Сколько стоит доставка в Казань?",
        "Как вернуть товар?",
        "Где лежит журнал установки пакетов системы, и как его очистить вручную?",
        "How do I return goods?",
    ],
)
def test_a_question_may_stand_by_itself(question: str) -> None:
    assert not leans(question)


def test_what_leans_is_searched_for_behind_the_question_it_leans_on() -> None:
    history = [
        Turn("user", "Есть ли у вас доставка курьером?"),
        Turn("assistant", "Да, есть."),
        Turn("user", "А когда?"),
        Turn("assistant", "Каждый день."),
    ]

    assert standing("а сколько это стоит?", history) == "Есть ли у вас доставка курьером?\nа сколько это стоит?"
    assert standing("Как вернуть товар?", history) == "Как вернуть товар?"
    assert standing("а сколько это стоит?", []) == "а сколько это стоит?"
