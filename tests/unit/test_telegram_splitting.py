"""A long text is split where a reader would: nothing is lost, nothing is torn, every part is short enough."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replyx.bots.telegram.markup import Rich, Span, from_markdown, plain, utf16_units
from replyx.bots.telegram.splitting import LIMIT, split
from tests.unit.test_telegram_markup import MARKED, read

#: Short limits find the same mistakes as long ones, sooner.
LIMITS = st.integers(2, 40)


def _without_space(text: str) -> str:
    return "".join(text.split())


@given(st.text(alphabet=st.sampled_from("ab .!?\n\t😀é\u0301\u200d👨👩"), max_size=300), LIMITS)
def test_every_part_is_short_enough_and_nothing_but_space_is_dropped(text: str, limit: int) -> None:
    parts = split(plain(text), limit)
    assert all(0 < part.units <= limit for part in parts)
    assert all(part.text.strip() for part in parts)
    assert _without_space("".join(part.text for part in parts)) == _without_space(text)


@given(MARKED, LIMITS)
def test_tags_are_balanced_in_every_part(text: str, limit: int) -> None:
    rich = from_markdown(text)
    parts = split(rich, limit)
    assert all(read(part.as_html()).text == part.text for part in parts)
    assert _without_space("".join(part.text for part in parts)) == _without_space(rich.text)


@given(MARKED, LIMITS)
def test_every_character_keeps_its_styles(text: str, limit: int) -> None:
    rich = from_markdown(text)
    styled = [char for part in split(rich, limit) for char in _styled(part)]
    assert styled == list(_styled(rich))


@settings(max_examples=10)
@given(st.lists(st.sampled_from(["😀" * 200, "а" * 300, " ", ". ", "\n\n", "**б**"]), max_size=60).map("".join))
def test_no_part_is_over_what_telegram_takes(text: str) -> None:
    for part in split(from_markdown(text)):
        assert len(read(part.as_html()).text.encode("utf-16-le")) // 2 <= LIMIT


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Первый абзац.\n\nВторой абзац тут.", ["Первый абзац.", "Второй абзац тут."]),
        ("Первая строка\nвторая строка тут", ["Первая строка", "вторая строка тут"]),
        ("Первое слово. Второе слово.", ["Первое слово.", "Второе слово."]),
        ("«Ну и ладно!» Второе слово.", ["«Ну и ладно!»", "Второе слово."]),
        ("одно слово другое слово третье", ["одно слово другое", "слово третье"]),
        ("а" * 25, ["а" * 20, "а" * 5]),
        ("а" * 19 + "😀б", ["а" * 19, "😀б"]),
        ("а" * 19 + "е\u0301б", ["а" * 19, "е\u0301б"]),
        ("а" * 18 + "👨\u200d👩б", ["а" * 18, "👨\u200d👩б"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_cuts_are_made_where_a_reader_would_make_them(text: str, parts: list[str]) -> None:
    assert [part.text for part in split(plain(text), 20)] == parts


def test_the_indentation_of_code_outlives_a_cut() -> None:
    code = "def f():\n    return 1\n    return 2"
    rich = Rich(code, (Span(0, len(code), "pre"),))
    assert [part.as_html() for part in split(rich, 24)] == [
        "<pre>def f():\n    return 1</pre>",
        "<pre>    return 2</pre>",
    ]


def test_an_answer_of_many_pages_keeps_its_paragraphs_whole() -> None:
    paragraphs = [f"{n}. " + "Предложение о возврате товара. " * 20 for n in range(40)]
    parts = split(plain("\n\n".join(paragraphs)))
    assert len(parts) > 5
    assert [p.strip() for part in parts for p in part.text.split("\n\n")] == [p.strip() for p in paragraphs]
    assert max(utf16_units(part.text) for part in parts) <= LIMIT


def _styled(part: Rich) -> list[tuple[str, frozenset[tuple[str, str]]]]:
    """Each character that is no space, with its styles."""
    return [
        (char, frozenset((s.tag, s.value) for s in part.spans if s.start <= n < s.end))
        for n, char in enumerate(part.text)
        if not char.isspace()
    ]
