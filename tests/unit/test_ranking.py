"""Words and vectors in one score; which passages come first."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import snowballstemmer

from replyx.knowledge.meaning import Scale
from replyx.knowledge.ranking import Item, Lexicon, Question, Ranked
from replyx.knowledge.words import key_of, sentences, stems


def _ranked(*texts: str, vectors: list[list[float]] | None = None) -> Ranked:
    made = [None] * len(texts) if vectors is None else [np.array(v, dtype=np.float32) for v in vectors]
    items = [Item(n, sentences(text), made[n - 1]) for n, text in enumerate(texts, 1)]
    return Ranked(items, Lexicon.of([item.sentences for item in items]))


def _ask(ranked: Ranked, text: str, vector: tuple[float, float] = (0.0, 0.0)) -> list[tuple[int, float]]:
    found = ranked.best(
        Question(text, lambda _: np.array(vector, dtype=np.float32)), 6, Scale(russian=0.95, english=1.15, foreign=0.5)
    )
    return [(item.id, score) for item, score in found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Как вернуть товар?", "как ВЕРНУТЬ товары"),
        ("Ёлка", "елки"),
        ("How do I return it?", "how do i return it"),
        ("замораживают", "замораживание"),
    ],
)
def test_words_meet_whatever_their_endings(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


def test_russian_and_english_words_of_one_text_are_both_stemmed() -> None:
    assert stems("Установка packages") == [*stems("установки"), *stems("package")]


def test_the_passage_with_the_questions_rare_words_comes_first() -> None:
    ranked = _ranked("Оплата картой при получении.", "Возврат товара за 14 дней.", "Доставка товара по городу.")

    assert _ask(ranked, "как оформить возврат товара")[0][0] == 2


def test_vectors_find_what_no_word_tells() -> None:
    ranked = _ranked("Оплата картой.", "Возврат товара.", vectors=[[1, 0], [0, 1]])

    assert _ask(ranked, "отдать покупку назад", (0, 1))[0][0] == 2


def test_words_that_stand_together_count_more() -> None:
    filler = "Прочее. " * 3
    apart = f"Возврат описан ниже. {filler} Цены указаны там же. {filler} Товар хранится на складе."
    together = f"{filler} Возврат товара описан здесь. {filler} Цены указаны там же. На складе хранится всё."

    assert _ask(_ranked(apart, together), "возврат товара")[0][0] == 2


def test_scores_are_between_0_and_1_and_what_has_nothing_in_common_is_near_0() -> None:
    scores = dict(_ask(_ranked("Возврат товара за 14 дней.", "Оплата картой."), "Возврат товара за 14 дней", (0, 0)))

    assert scores[1] > 0.8
    assert 0 <= scores[2] < 0.05


def test_a_passage_in_another_language_is_found_but_never_sure() -> None:
    ranked = _ranked("Returns are accepted within two weeks.", "Оплата картой.", vectors=[[1, 0], [0, 1]])

    (first, score), *_ = _ask(ranked, "Как вернуть товар?", (0.55, 0))

    assert first == 1
    assert 0.5 < score < 0.65


def test_passages_that_say_the_same_are_given_once() -> None:
    ranked = _ranked("Возврат товара за 14 дней.", "Возврат товара за 14 дней!", "Возврат денег.")

    assert [item for item, _ in _ask(ranked, "возврат товара")] == [1, 3]


def test_no_passages_and_no_words_are_no_error() -> None:
    assert _ask(_ranked(), "вопрос") == []
    assert _ask(_ranked("Возврат."), "??!")[0][1] < 0.05


def test_threads_that_stem_at_once_do_not_spoil_each_others_words() -> None:
    # Made up, so that no other test has them remembered.
    words = [
        f"{first}{second}{ending}"
        for first in ("квар", "зуб", "плюм", "дрон", "фрик", "шлём", "тран", "скви")
        for second in ("ожд", "арин", "елоп", "унт", "ымк", "иверс", "ачт", "озёр")
        for ending in ("ованиями", "ениях", "ывающих", "остью", "ировали", "ейшими", "ательно", "ушкой")
    ]
    russian = snowballstemmer.stemmer("russian")
    expected = {word: russian.stemWord(word.replace("ё", "е"))[:6] for word in words}
    found: dict[str, str] = {}
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found.update(zip(words, pool.map(lambda word: stems(word)[0], words), strict=True))
    finally:
        sys.setswitchinterval(switching)

    assert found == expected
