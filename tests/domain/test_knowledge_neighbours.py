"""What a model reads along with found passages: the text before and after them, once, in order, within its bound."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from replyx.config.settings import Config
from replyx.events.memory import MemoryBus
from replyx.knowledge.neighbours import Neighbours
from replyx.llm.engine import EngineRequest, Passage
from replyx.llm.prompt import about_tokens, build_messages
from replyx.storage.database import Database
from replyx.storage.knowledge import Chunk, Document
from replyx.testing.llm_answers import Scenario
from tests.domain.library import Library
from tests.support.clock import MovableClock
from tests.support.desk import Desk

_NAMES = ("Первый", "Второй", "Третий", "Четвёртый", "Пятый", "Шестой")


@pytest.fixture
def library(sqlite_db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Library:
    return Library(sqlite_db, bus, clock, config)


@pytest.fixture
def ids(library: Library) -> list[int]:
    """Six chunks of one document, the last under a heading of its own."""
    with library.db.transaction():
        fields = {"filename": "a.md", "content_type": "text/markdown", "size": 1, "sha256": "-", "storage_name": "-"}
        row = Document.create(assistant=library.assistant, status="completed", created_at=library.clock.now(), **fields)
        return [
            Chunk.create(
                assistant=library.assistant,
                document=row.id,
                position=n,
                text=f"{name} абзац. Он говорит о своём.",
                heading="Другое" if name == "Шестой" else "Одно",
            ).id
            for n, name in enumerate(_NAMES)
        ]


def _found(ids: list[int], *places: int) -> list[Passage]:
    """Found passages, best first."""
    texts = [f"{_NAMES[n]} абзац. Он говорит о своём." for n in places]
    return [
        Passage(text, 0.9 - 0.1 * rank, chunk_id=ids[place])
        for rank, (place, text) in enumerate(zip(places, texts, strict=True))
    ]


def _read(passages: tuple[Passage, ...]) -> list[str]:
    """The first words that stand in the prompt, in their order."""
    [_, user] = build_messages(EngineRequest("m", "", "?", passages))
    return [word for word in user["content"].split() if word in _NAMES]


def test_a_passage_is_read_between_its_neighbours(library: Library, ids: list[int]) -> None:
    around = Neighbours(library.db).around(_found(ids, 1), 800)

    assert _read(around) == ["Первый", "Второй", "Третий"]
    assert (around[0].text, around[0].chunk_id) == ("Второй абзац. Он говорит о своём.", ids[1])


def test_nothing_comes_twice_and_what_stands_together_is_read_in_order(library: Library, ids: list[int]) -> None:
    passages = [Passage("Чужой", 0.95, qa_id=7), *_found(ids, 3, 0, 1)]

    around = Neighbours(library.db).around(passages, 800)

    assert _read(around) == list(_NAMES[:5])
    assert [p.chunk_id for p in around] == [None, ids[0], ids[1], ids[3]]


def test_passages_that_stand_apart_keep_the_order_of_their_scores(library: Library, ids: list[int]) -> None:
    around = Neighbours(library.db).around(_found(ids, 4, 0), 0)

    assert _read(around) == ["Пятый", "Первый"]


def test_what_stands_under_another_heading_is_another_matter(library: Library, ids: list[int]) -> None:
    assert _read(Neighbours(library.db).around(_found(ids, 5, 4), 0)) == ["Шестой", "Пятый"]
    assert _read(Neighbours(library.db).around(_found(ids, 4), 800)) == ["Четвёртый", "Пятый"]
    assert _read(Neighbours(library.db).around(_found(ids, 5), 800)) == ["Шестой"]


def test_neighbours_keep_within_their_bound_the_best_passage_s_first(library: Library, ids: list[int]) -> None:
    sentence = about_tokens("Третий абзац.")

    (first, second) = Neighbours(library.db).around(_found(ids, 1, 4), sentence + 0.5)

    assert (first.after, first.before) == ("Третий абзац.", "")
    assert (second.after, second.before) == ("", "")


def test_a_chunk_that_is_gone_has_no_neighbours(library: Library, ids: list[int]) -> None:
    passages = _found(ids, 2)
    gone = [replace(passages[0], chunk_id=ids[-1] + 100)]

    assert Neighbours(library.db).around(gone, 800) == tuple(gone)


def test_a_model_answers_with_the_neighbours_and_the_source_is_what_was_found(desk: Desk) -> None:
    told = (
        "Ёлки растут в лесу, медведи спят зимой в берлоге. " * 15,
        "Товар можно вернуть за 14 дней, если сохранён чек на товар. " * 12,
        "Пингвины умеют плавать, киты огромны. " * 16,
    )
    content = io.BytesIO("\n\n".join(told).encode())
    document = desk.app.knowledge.add_document(desk.owner, desk.assistant.id, "a.txt", content)
    assert desk.app.knowledge.ingest(document.id) is not None
    desk.llm.standing = Scenario(text="Пингвины умеют плавать.")

    answer = desk.ask(desk.open_dialog(), "За сколько дней можно вернуть товар по чеку?")

    assert answer is not None
    prompt = desk.llm.requests[-1].messages[-1]["content"]
    assert prompt.index("берлоге") < prompt.index("14 дней") < prompt.index("плавать")
    assert [source["quote"][:12] for source in answer.sources] == ["Товар можно "]
    assert answer.text == "Пингвины умеют плавать [1]."
