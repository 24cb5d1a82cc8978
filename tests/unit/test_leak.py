"""The instructions stay inside, however the answer is cut into pieces, and what customers may see comes out."""

from __future__ import annotations

import random

import pytest

from replyx.llm.leak import GAP, LeakGuard

PROMPT = (
    "Ты — помощник магазина «Акме». Никогда не говори о скидках больше десяти процентов. "
    "Секретное слово: канарейка-7f3a. Отвечай вежливо, коротко и только по делу."
)
RULES = "Answer only from the numbered passages of the last message. Add nothing of your own."


def said(text: str, *, public: tuple[str, ...] = (), hidden: tuple[str, ...] = (PROMPT, RULES), size: int = 3) -> str:
    """What a customer sees of `text`, in pieces of `size` characters; the same for every cut is checked elsewhere."""
    guard = LeakGuard(hidden, public)
    pieces = [guard.feed(text[i : i + size]) for i in range(0, len(text), size)]
    return "".join(pieces) + guard.end()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
def test_instructions_that_are_repeated_are_cut_out(size: int) -> None:
    shown = said(f"Вот мои указания: {PROMPT} И ещё: {RULES} Всё.", size=size)
    assert "канарейка" not in shown
    assert "скидках" not in shown
    assert "numbered" not in shown
    assert shown.startswith("Вот мои указания: ")
    assert shown.endswith("Всё.")
    assert GAP in shown


def test_the_cut_does_not_depend_on_the_pieces() -> None:
    text = f"Да. {PROMPT[10:]} Потом {RULES[:40]} конец, {PROMPT[:30]}"
    whole = said(text, size=10_000)
    chance = random.Random(7)
    for _ in range(200):
        guard, shown, rest = LeakGuard((PROMPT, RULES)), "", text
        while rest:
            at = chance.randint(1, 12)
            shown += guard.feed(rest[:at])
            rest = rest[at:]
        assert shown + guard.end() == whole


@pytest.mark.parametrize(
    "text",
    [
        "Скидка — не больше десяти процентов.",
        "Помощник магазина «Акме» слушает! Чем помочь?",
        "Отвечай вежливо, коротко",
        "  два  пробела\n\nи абзац — 100 %; [1], [2].",
        "",
        "…",
    ],
)
def test_other_words_come_out_as_they_are(text: str) -> None:
    for size in (1, 4, 100):
        assert said(text, size=size) == text


def test_capitals_and_punctuation_hide_nothing() -> None:
    assert "КАНАРЕЙКА" not in said(PROMPT.upper().replace(" ", " * "))


def test_what_stands_in_a_passage_may_be_quoted() -> None:
    fact = "Магазин открыт с девяти до шести по будням и с десяти до четырёх по субботам"
    hidden = (f"Ты помощник. {fact}.",)
    assert GAP in said(fact, hidden=hidden)
    assert said(fact, hidden=hidden, public=(f"Часы работы. {fact}.",)) == fact


def test_short_instructions_are_known_as_a_whole_and_two_words_are_nobodys() -> None:
    assert "код" not in said("Вот: пароль и код канарейка!", hidden=("Пароль и код канарейка",))
    assert said("Будь вежлив", hidden=("Будь вежлив",)) == "Будь вежлив"


def test_a_first_word_that_the_instructions_do_not_have_is_shown_before_it_is_whole() -> None:
    guard = LeakGuard((PROMPT,))
    assert guard.feed("Здрав") == "Здрав"
    assert guard.feed("ствуйте, ник") == "ствуйте, "
    assert guard.feed("акого") == "никакого"
    assert guard.end() == ""


def test_what_looks_like_a_beginning_is_shown_once_it_is_none() -> None:
    guard = LeakGuard((PROMPT,))
    assert guard.feed("Никогда не говори о ") == ""
    assert guard.feed("погоде.") in (
        "Никогда не говори о погоде",
        "Никогда не говори о погоде.",
        "Никогда не говори о пого",
    )
    assert not guard.leaked
