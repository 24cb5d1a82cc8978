"""The engine that quotes: how text is split, what is picked, and that it is word for word."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyx.errors import EngineFailed
from replyx.llm.engine import EngineRequest, Passage, Usage
from replyx.llm.extractive import ExtractiveEngine, quote
from replyx.llm.sentences import split

RETURNS = Passage(
    "Мы работаем с 9 до 18 часов по московскому времени. Вернуть товар можно в течение 14 дней с момента покупки, "
    "если сохранены чек и упаковка. Деньги возвращаются на карту за 3–10 рабочих дней. Доставка возврата — за счёт "
    "покупателя, кроме брака. Наш офис находится в Туле, на ул. Ленина, д. 5.",
    0.8,
)
STEPS = Passage(
    "Перед началом отключите питание.\n\nЧтобы сбросить роутер:\n- найдите кнопку Reset;\n- держите её 10 секунд;\n"
    "- дождитесь перезагрузки.\n\nПосле этого введите пароль заново.",
    0.8,
)
FAQ = Passage(
    "5.2 How do I remove a package?\nUse apt remove with the name of the package. Its configuration files stay.\n"
    "5.3 How do I purge a package?\nUse apt purge, which deletes the configuration files too.",
    0.8,
    heading="Packages",
)


def sentences(text: str) -> list[str]:
    return [text[unit.start : unit.end] for unit in split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Раз. Два! Три? Четыре…", ["Раз.", "Два!", "Три?", "Четыре…"]),
        ("Офис на ул. Ленина, д. 5, г. Тула. Звоните.", ["Офис на ул. Ленина, д. 5, г. Тула.", "Звоните."]),
        ("Это стоит 5 тыс. руб. в год и т. д. Всё.", ["Это стоит 5 тыс. руб. в год и т. д. Всё."]),
        ("Книгу написал А. С. Пушкин. Читайте.", ["Книгу написал А. С. Пушкин.", "Читайте."]),
        ("См. рис. 5 и п. 7. Затем стр. 12.", ["См. рис. 5 и п. 7.", "Затем стр. 12."]),
        ("Ask Dr. J. Smith, e.g. by mail. He answers.", ["Ask Dr. J. Smith, e.g. by mail.", "He answers."]),
        ("Version 2.5 is out. See replyx.toml for more.", ["Version 2.5 is out.", "See replyx.toml for more."]),
        ("He said “Stop.” Then he left.", ["He said “Stop.”", "Then he left."]),
        ("«Всё готово!» — сказал мастер. Ушёл.", ["«Всё готово!» — сказал мастер.", "Ушёл."]),
        ("One line\nbroken in two. Next.", ["One line\nbroken in two.", "Next."]),
        ("A paragraph without end\n\nAnother one", ["A paragraph without end", "Another one"]),
        ("Do:\n1. open it\n2. close it\nnow\n\nEnd.", ["Do:", "1. open it", "2. close it\nnow", "End."]),
        ("# Title\nText here.", ["# Title", "Text here."]),
        ("4.1 On what systems does it\nrun?\nOn all.", ["4.1 On what systems does it\nrun?", "On all."]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_text_is_split_where_sentences_and_items_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet="аБв Г.!?…\n-1)«»:eE#", max_size=200))
def test_splitting_loses_nothing_but_space_and_keeps_the_order(text: str) -> None:
    units = split(text)
    position = 0
    for unit in units:
        assert not text[position : unit.start].strip()
        assert unit.end > unit.start
        position = unit.end
    assert not text[position:].strip()


@pytest.mark.parametrize(
    ("question", "passage", "expected"),
    [
        ("За сколько дней можно вернуть товар?", RETURNS, "Вернуть товар можно в течение 14 дней"),
        ("Когда вернутся деньги на карту?", RETURNS, "Деньги возвращаются на карту за 3–10 рабочих дней."),
        ("Где ваш офис?", RETURNS, "Наш офис находится в Туле, на ул. Ленина, д. 5."),
        ("How do I purge packages?", FAQ, "Use apt purge, which deletes the configuration files too."),
        ("removing a package", FAQ, "Use apt remove with the name of the package."),
    ],
)
def test_the_sentence_that_answers_is_in_the_quotation(question: str, passage: Passage, expected: str) -> None:
    found = quote(question, [passage])
    assert found is not None
    assert expected in found.text
    assert found.text in passage.text


def test_a_heading_is_not_quoted_as_its_own_answer() -> None:
    found = quote("How do I remove a package?", [FAQ])
    assert found is not None
    assert found.text == "Use apt remove with the name of the package. Its configuration files stay."


def test_a_list_is_quoted_whole_with_the_words_above_it() -> None:
    found = quote("Как сбросить роутер?", [STEPS])
    assert found is not None
    assert found.text == (
        "Чтобы сбросить роутер:\n- найдите кнопку Reset;\n- держите её 10 секунд;\n- дождитесь перезагрузки."
    )
    assert quote("Сколько секунд держать кнопку?", [STEPS]) == found


def test_the_passage_that_answers_is_chosen_though_another_scored_a_little_higher() -> None:
    other = Passage("О компании. Мы продаём котлы с 1999 года.", 0.82)
    found = quote("За сколько дней можно вернуть товар?", [other, RETURNS])
    assert found is not None
    assert found.index == 1


def test_a_question_that_shares_no_word_gets_the_best_passages_beginning() -> None:
    found = quote("xyzzy?", [RETURNS, STEPS])
    assert found is not None
    assert found.index == 0
    assert RETURNS.text.startswith(found.text)


def test_a_long_quotation_ends_at_a_word_within_the_limit() -> None:
    found = quote("word", [Passage("word " * 400, 0.5)])
    assert found is not None
    assert 600 < len(found.text) <= 700
    assert found.text.endswith("word")


@given(
    st.text(max_size=80),
    st.lists(st.tuples(st.text(max_size=900), st.floats(0, 1)), max_size=5),
)
def test_whatever_is_quoted_stands_in_its_passage_and_is_short(question: str, rows: list[Any]) -> None:
    passages = [Passage(text, score) for text, score in rows]
    found = quote(question, passages)
    if found is None:
        assert not any(p.text.strip() for p in passages[:4])
    else:
        assert found.text in passages[found.index].text
        assert 0 < len(found.text) <= 700


def request(*passages: Passage, question: str = "За сколько дней можно вернуть товар?") -> EngineRequest:
    return EngineRequest("extractive", "", question, passages)


def test_the_quotation_is_streamed_in_small_pieces() -> None:
    pieces = list(ExtractiveEngine().stream(request(RETURNS), lambda: False))
    assert len(pieces) >= 3
    assert all(len(piece) <= 60 for piece in pieces)
    found = quote(request().question, [RETURNS])
    assert found is not None
    assert "".join(pieces) == f"{found.text} [1]"


def test_a_quotation_uses_no_tokens_and_stops_when_it_is_told() -> None:
    stream = ExtractiveEngine().stream(request(RETURNS), lambda: True)
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert end.value.value == Usage()


def test_without_a_passage_there_is_nothing_to_quote() -> None:
    for passages in ((), (Passage(" \n", 0.5),)):
        with pytest.raises(EngineFailed) as caught:
            list(ExtractiveEngine().stream(request(*passages), lambda: False))
        assert not caught.value.retryable


def test_many_threads_get_the_same_quotation() -> None:
    expected = quote("Какая доставка возвратов?", [RETURNS])
    found: list[Any] = []
    questions = [f"Какая доставка возвратов{'!' * i}?" for i in range(8)]
    threads = [threading.Thread(target=lambda q=q: found.append(quote(q, [RETURNS]))) for q in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
