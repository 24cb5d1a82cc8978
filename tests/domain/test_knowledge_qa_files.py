"""Files of prepared answers go in whole or not at all."""

from __future__ import annotations

import pytest

from replyx.errors import NotFound, ValidationFailed
from replyx.events.memory import MemoryBus
from replyx.storage.database import Database
from tests.conftest import Configure
from tests.domain.library import Library
from tests.domain.owners import make_user
from tests.support.clock import MovableClock


@pytest.fixture
def library(db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure) -> Library:
    return Library(db, bus, clock, configure())


def _import(library: Library, text: str) -> dict[str, object]:
    return library.knowledge.import_qa(library.owner, library.assistant, text.encode(), "csv").as_json()


def test_a_file_adds_changes_and_leaves_alone(library: Library) -> None:
    library.knowledge.add_qa(library.owner, library.assistant, "Где вы находитесь?", "В Казани", ["место"])
    library.knowledge.add_qa(library.owner, library.assistant, "Когда открыто?", "С девяти", ())

    done = _import(
        library,
        "question,answer,tags\nгде вы находитесь,В Перми,место\nКогда открыто?,С девяти,\nСколько стоит?,Сто,\n",
    )

    assert done == {"added": 1, "changed": 1, "unchanged": 1}
    pairs = {pair.question: pair.answer for pair in library.knowledge.list_qa(library.owner)[0]}
    assert pairs == {"где вы находитесь": "В Перми", "Когда открыто?": "С девяти", "Сколько стоит?": "Сто"}
    found = library.knowledge.match_qa(library.assistant, "сколько стоит")
    assert found is not None
    assert found.answer == "Сто"
    again = library.knowledge.export_qa(library.owner, library.assistant, "csv")
    assert _import(library, again) == {"added": 0, "changed": 0, "unchanged": 3}


def test_a_bad_line_keeps_the_whole_file_out_and_every_bad_line_is_named(library: Library) -> None:
    long = "x" * 1001
    with pytest.raises(ValidationFailed) as failed:
        _import(library, f"question,answer\nГде?,Тут\n???,Тут\nКогда?,\n{long},a\nгде,Там\n")

    assert [(issue.field, issue.ru) for issue in failed.value.issues] == [
        ("3.question", "строка 3, question: В вопросе нет слов"),
        ("4.answer", "строка 4, answer: Заполните поле"),
        ("5.question", "строка 5, question: Не длиннее 1000 символов"),
        ("6.question", "строка 6, question: уже был в строке 2"),
    ]
    assert library.knowledge.list_qa(library.owner)[1] == 0


def test_pairs_of_another_tenant_neither_go_in_nor_out(library: Library) -> None:
    stranger = make_user(library.db, library.clock, "stranger@example.com")

    with pytest.raises(NotFound):
        library.knowledge.import_qa(stranger, library.assistant, b"question,answer\na,b\n", "csv")
    with pytest.raises(NotFound):
        library.knowledge.export_qa(stranger, library.assistant, "json")
