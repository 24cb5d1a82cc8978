"""Chunks: how long, where they end, what they remember."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replyx.knowledge.chunking import LONGEST, chunk
from replyx.knowledge.extract import Block, Extract

_SENTENCE = "Это предложение стоит здесь, чтобы абзац был достаточно длинным для деления. "


def test_a_short_section_is_one_chunk_with_its_page_and_heading() -> None:
    (piece,) = chunk(Extract((Block("Раз.\nДва.", 3, "Глава"),), 5))

    assert (piece.text, piece.page, piece.heading) == ("Раз.\nДва.", 3, "Глава")


def test_no_chunk_goes_over_a_heading() -> None:
    pieces = chunk(Extract((Block("Один.", 1, "А"), Block("Два.", 1, "Б"), Block("Три.", 2, "Б")), 2))

    assert [(p.text, p.heading, p.page) for p in pieces] == [("Один.", "А", 1), ("Два.\nТри.", "Б", 1)]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    pieces = chunk(Extract((Block((_SENTENCE * 40).strip()),), 0))

    assert len(pieces) > 3
    assert all(p.text.startswith("Это") and p.text.endswith("деления.") for p in pieces)


def test_a_sentence_that_goes_over_a_page_stays_whole_and_has_the_page_where_it_begins() -> None:
    blocks = (Block("Первая часть предложения", 7, "А"), Block("и его конец.\nНовый абзац.", 8, "А"))

    (piece,) = chunk(Extract(blocks, 8))

    assert piece.text == "Первая часть предложения и его конец.\nНовый абзац."
    assert piece.page == 7


def test_a_chunk_knows_the_page_where_it_starts() -> None:
    blocks = tuple(Block(_SENTENCE * 6, page, "А") for page in range(1, 8))

    assert [p.page for p in chunk(Extract(blocks, 7))] == sorted(p.page or 0 for p in chunk(Extract(blocks, 7)))
    assert {p.page for p in chunk(Extract(blocks, 7))} >= {1, 3, 5}


def test_what_has_no_letter_is_no_chunk() -> None:
    assert chunk(Extract((Block("* * *\n---"),), 0)) == []


@given(st.lists(st.text(max_size=3000), max_size=6))
def test_no_text_is_lost_and_no_chunk_is_too_long(texts: list[str]) -> None:
    blocks = tuple(Block(" ".join(text.split()), n + 1, None) for n, text in enumerate(texts) if text.split())

    pieces = chunk(Extract(blocks, len(blocks)))

    kept = "".join("".join(p.text.split()) for p in pieces)
    given_letters = [c for c in "".join(b.text for b in blocks) if c.isalnum()]
    assert [c for c in kept if c.isalnum()] == given_letters or not any(c.isalpha() for c in given_letters)
    assert all(len(p.text) <= LONGEST + 201 for p in pieces)
