"""Personal data is masked before it leaves and stands in the answer again, however that is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from replyx.llm.engine import EngineRequest, Passage, Turn
from replyx.llm.privacy import Masks


def masked(text: str) -> str:
    return Masks().mask(EngineRequest("m", "", text)).question


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Пишите на ivan.petrov+x@mail.example.ru!", "Пишите на [EMAIL_1]!"),
        ("карта 4111 1111 1111 1111, срок 12/27", "карта [CARD_1], срок 12/27"),
        ("5555555555554444", "[CARD_1]"),
        ("тел. +7 (916) 123-45-67", "тел. [PHONE_1]"),
        ("8 916 123 45 67", "[PHONE_1]"),
        ("89161234567", "[PHONE_1]"),
        ("+14155552671", "[PHONE_1]"),
        ("Паспорт 4509 123456 выдан", "Паспорт [PASSPORT_1] выдан"),
        ("45 09 № 123456", "[PASSPORT_1]"),
        ("паспорт 4509123456", "паспорт [PASSPORT_1]"),
    ],
)
def test_each_kind_is_known(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "заказ 4111111111111112",
        "0000 0000 0000 0000",
        "за 12 000 рублей",
        "2026-11-23",
        "ГОСТ 12345678",
        "12.10.2024",
        "192.168.100.200",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert masked(text) == text


@given(
    some.lists(
        some.sampled_from(
            (
                *("4111 1111", "4111-1111-", "4111111111111111", "+7", "8 ", " (916) ", "123-45-67", "45 09", " № "),
                *("№", "123456", "паспорт ", "Passport ", "123456789", "4509123456", "1", "0", "-", " ", ".", "a@b.ru"),
            )
        ),
        max_size=9,
    ).map("".join)
)
def test_a_text_is_masked_the_same_whatever_numbers_stand_behind_it(text: str) -> None:
    # Nine digits make every text be looked at closely; these are nothing by themselves.
    behind = " ; 1;2;3;4;5;6;7;8;9"

    assert masked(text + behind) == masked(text) + behind


def test_one_value_has_one_mark_wherever_it_stands_and_a_companys_number_is_not_hidden() -> None:
    request = EngineRequest(
        "m",
        "Ты помощник",
        "Мой номер +79161234567?",
        (Passage("Звоните: +7 495 000-00-01. Карта клиента 4111 1111 1111 1111.", 0.9),),
        (Turn("user", "Я +79161234567, a@b.ru"), Turn("assistant", "Записал a@b.ru")),
    )
    shown = Masks().mask(request)
    assert shown.question == "Мой номер [PHONE_1]?"
    assert [turn.text for turn in shown.history] == ["Я [PHONE_1], [EMAIL_1]", "Записал [EMAIL_1]"]
    assert shown.passages[0].text == "Звоните: +7 495 000-00-01. Карта клиента [CARD_1]."
    assert shown.system_prompt == "Ты помощник"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_the_answer_has_the_values_again(size: int) -> None:
    masks = Masks()
    masks.mask(EngineRequest("m", "", "Я +79161234567, a@b.ru"))
    answer = "Позвоним на [PHONE_1], напишем на [email_1]. См. [1] и [PHONE_2], [ PHONE"
    shown = "".join(masks.restore(answer[i : i + size]) for i in range(0, len(answer), size)) + masks.end()
    assert shown == "Позвоним на +79161234567, напишем на a@b.ru. См. [1] и [PHONE_2], [ PHONE"


def test_a_text_without_such_data_goes_through_untouched_and_at_once() -> None:
    masks, request = Masks(), EngineRequest("m", "", "Сколько стоит доставка?")
    assert masks.mask(request) is request
    assert masks.restore("Сто [") == "Сто ["
