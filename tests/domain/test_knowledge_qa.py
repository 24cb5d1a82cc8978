"""Prepared answers: kept, matched word for word, found among passages."""

from __future__ import annotations

import pytest

from replyx.config.settings import Config
from replyx.errors import NotFound, ValidationFailed
from replyx.events.memory import MemoryBus
from replyx.knowledge.qa import mean_the_same
from replyx.storage.database import Database
from replyx.storage.knowledge import QaPair
from tests.domain.library import Library, make_assistant
from tests.domain.owners import make_user
from tests.support.clock import MovableClock


@pytest.fixture
def library(db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Library:
    return Library(db, bus, clock, config)


def _answer(library: Library, question: str, assistant: int | None = None) -> str | None:
    found = library.knowledge.match_qa(assistant or library.assistant, question)
    return found.answer if found else None


def test_a_pair_is_shown_in_the_contracts_form(library: Library) -> None:
    made = library.knowledge.add_qa(
        library.owner,
        library.assistant,
        " Как настроить бота? ",
        "Перейдите в раздел.",
        ["бот", "настройка", "бот", " "],
    )

    assert made.as_json() == {
        "id": made.id, "assistant_id": library.assistant, "question": "Как настроить бота?",
        "answer": "Перейдите в раздел.", "tags": ["бот", "настройка"], "created_at": "2025-09-01T10:00:00Z",
    }  # fmt: skip
    assert library.knowledge.get_qa(library.owner, made.id) == made


def test_pairs_are_listed_newest_first_and_found_by_their_words(library: Library) -> None:
    add = library.knowledge.add_qa
    first = add(library.owner, library.assistant, "Где вы находитесь?", "В Казани, улица Баумана.")
    second = add(library.owner, library.assistant, "Есть ли ДОСТАВКА?", "Да.")

    assert [v.id for v in library.knowledge.list_qa(library.owner)[0]] == [second.id, first.id]
    assert library.knowledge.list_qa(library.owner, library.assistant, "доставка") == ([second], 1)
    assert library.knowledge.list_qa(library.owner, q="казани") == ([first], 1)
    assert library.knowledge.list_qa(library.owner, limit=1, offset=1) == ([first], 2)
    assert library.knowledge.list_qa(library.owner, q="%") == ([], 0)


@pytest.mark.parametrize(
    ("question", "answer", "tags", "field"),
    [
        (" ", "Ответ", [], "question"),
        ("Вопрос", "\x00", [], "answer"),
        ("???", "Ответ", [], "question"),
        ("в" * 1001, "Ответ", [], "question"),
        ("Вопрос", "о" * 16_001, [], "answer"),
        ("Вопрос", "Ответ", ["м" * 51], "tags"),
        ("Вопрос", "Ответ", [str(n) for n in range(21)], "tags"),
    ],
)
def test_fields_that_are_empty_or_too_long_are_refused(
    library: Library, question: str, answer: str, tags: list[str], field: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        library.knowledge.add_qa(library.owner, library.assistant, question, answer, tags)

    assert refused.value.details["field"] == field


def test_another_tenants_pairs_do_not_exist(library: Library) -> None:
    stranger = make_user(library.db, library.clock, "other@example.com")
    pair = library.knowledge.add_qa(library.owner, library.assistant, "Вопрос", "Ответ")

    for deed in (
        lambda: library.knowledge.get_qa(stranger, pair.id),
        lambda: library.knowledge.update_qa(stranger, pair.id, answer="Мой"),
        lambda: library.knowledge.delete_qa(stranger, pair.id),
        lambda: library.knowledge.add_qa(stranger, library.assistant, "В", "О"),
    ):
        with pytest.raises(NotFound):
            deed()
    assert library.knowledge.list_qa(stranger) == ([], 0)
    assert library.knowledge.get_qa(library.owner, pair.id).answer == "Ответ"


@pytest.mark.parametrize(
    "asked", ["Как вернуть товар?", "как вернуть товар", "КАК ВЕРНУТЬ ТОВАРЫ!!!", "  Как — вернуть «товар»…"]
)
def test_the_same_question_gets_its_answer_word_for_word(library: Library, asked: str) -> None:
    library.knowledge.add_qa(library.owner, library.assistant, "Как вернуть товар?", "За 14 дней — на любой кассе.")

    assert _answer(library, asked) == "За 14 дней — на любой кассе."


def test_a_long_question_is_matched_too(library: Library) -> None:
    question = "Как вернуть " + "очень " * 150 + "старый товар?"
    library.knowledge.add_qa(library.owner, library.assistant, question, "Никак.")

    assert _answer(library, question.upper()) == "Никак."
    assert _answer(library, question.replace("старый", "новый")) is None


def test_a_question_that_means_the_same_gets_the_answer(library: Library) -> None:
    library.knowledge.add_qa(library.owner, library.assistant, "Как мне вернуть купленный товар?", "На кассе.")

    assert _answer(library, "Как вернуть купленный товар?") == "На кассе."


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("Сколько стоит доставка за 2 дня?", "Сколько стоит доставка за 5 дней?"),
        ("Можно ли вернуть товар?", "Нельзя ли не вернуть товар?"),
        ("Как включить уведомления?", "Как выключить уведомления?"),
        ("Кто выиграл матч?", "Кто проиграл матч?"),
        ("Кто основал вашу компанию?", "Когда была основана ваша компания?"),
        ("Как вернуть товар?", "Какая у вас погода?"),
        ("Сколько стоит тариф Basic?", "Сколько стоит тариф Premium?"),
    ],
)
def test_a_question_that_means_something_else_does_not(library: Library, known: str, asked: str) -> None:
    library.knowledge.add_qa(library.owner, library.assistant, known, "Ответ.")

    assert _answer(library, asked) is None
    assert not mean_the_same(known, asked) or known == asked


def test_answers_are_of_their_assistant_only(library: Library) -> None:
    other = make_assistant(library.db, library.clock, library.owner)
    library.knowledge.add_qa(library.owner, library.assistant, "Где вы?", "В Казани.")

    assert _answer(library, "Где вы?", other) is None
    assert _answer(library, "Где вы?", 10**6) is None
    assert not library.knowledge.search(other, "Где вы?").has_knowledge


def test_a_changed_pair_is_matched_and_found_as_it_is_now(library: Library) -> None:
    pair = library.knowledge.add_qa(library.owner, library.assistant, "Есть ли доставка?", "Да, по городу.")
    assert library.knowledge.search(library.assistant, "доставка").passages[0].text == "Да, по городу."

    library.knowledge.update_qa(library.owner, pair.id, question="Принимаете ли вы карты?", answer="Да, любые.")

    assert _answer(library, "есть ли доставка") is None
    assert _answer(library, "принимаете ли вы карты") == "Да, любые."
    found = library.knowledge.search(library.assistant, "оплата картой: принимаете карты?")
    assert [(p.text, p.heading, p.qa_id) for p in found.passages] == [
        ("Да, любые.", "Принимаете ли вы карты?", pair.id)
    ]
    assert library.knowledge.rows_in_index() == 1


def test_a_deleted_pair_is_neither_matched_nor_found(library: Library) -> None:
    pair = library.knowledge.add_qa(library.owner, library.assistant, "Есть ли доставка?", "Да.")
    assert library.knowledge.search(library.assistant, "доставка").has_knowledge

    library.knowledge.delete_qa(library.owner, pair.id)

    assert _answer(library, "Есть ли доставка?") is None
    assert library.knowledge.search(library.assistant, "доставка").passages == ()
    assert library.knowledge.rows_in_index() == 0
    with library.db.connection():
        assert QaPair.select().count() == 0


def test_the_newest_of_two_answers_to_one_question_is_given(library: Library) -> None:
    for answer in ("Старый.", "Новый."):
        library.knowledge.add_qa(library.owner, library.assistant, "Где вы?", answer)

    assert _answer(library, "где вы") == "Новый."


def test_pairs_and_documents_are_found_together(library: Library) -> None:
    library.teach("Доставка по городу занимает два дня.")
    library.knowledge.add_qa(library.owner, library.assistant, "Сколько стоит доставка?", "300 рублей.")

    found = library.knowledge.search(library.assistant, "сколько стоит доставка по городу")

    assert {(p.qa_id is None, p.document_id is None) for p in found.passages} == {(True, False), (False, True)}
