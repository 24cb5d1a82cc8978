"""Prepared answers as files: what goes out comes back, and every bad line is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from replyx.errors import ValidationFailed
from replyx.knowledge.qa_files import FileKind, read_pairs, write_pairs
from replyx.knowledge.views import QaView

_PAIRS = [
    QaView(1, 1, "Сколько стоит?", 'Триста "рублей",\nне больше; = честно', ("цена", "доставка"), datetime.now(UTC)),
    QaView(2, 1, "Где вы?", "Здесь", ("a;b", "c,d"), datetime.now(UTC)),
    QaView(3, 1, "Когда?", "Завтра", (), datetime.now(UTC)),
]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_what_goes_out_comes_back(kind: FileKind) -> None:
    back = read_pairs(write_pairs(_PAIRS, kind).encode(), kind)

    assert [(p.question, p.answer.replace("\r\n", "\n"), p.tags) for p in back] == [
        (p.question, p.answer, p.tags) for p in _PAIRS
    ]


@pytest.mark.parametrize(
    "content",
    [
        "question,answer,tags\nГде?,Тут,a; b\n".encode(),
        "Вопрос;Ответ;Теги\nГде?;Тут;a, b\n".encode("cp1251"),
        "answer\ttags\tquestion\nТут\ta;b\tГде?\n".encode("utf-16"),
    ],
)
def test_spreadsheets_of_all_kinds_are_understood(content: bytes) -> None:
    (pair,) = read_pairs(content, "csv")

    assert (pair.line, pair.question, pair.answer, pair.tags) == (2, "Где?", "Тут", ("a", "b"))


@pytest.mark.parametrize(
    ("content", "kind", "fields"),
    [
        ("a,b\n1,2\n", "csv", ["1.question"]),
        ("", "csv", ["1.question"]),
        ("question,answer\n", "csv", ["content"]),
        ("{", "json", ["1.json"]),
        ("{}", "json", ["1.json"]),
        ('[{"question": "a", "answer": "b"}, {"question": 1, "answer": "b"}, []]', "json", ["2.json", "3.json"]),
        ('[{"question": "a", "answer": "b", "tags": "c"}]', "json", ["1.json"]),
        ("[" * 100_000, "json", ["1.json"]),
    ],
)
def test_what_cannot_be_taken_is_named_by_its_line(content: str, kind: FileKind, fields: list[str]) -> None:
    with pytest.raises(ValidationFailed) as failed:
        read_pairs(content.encode(), kind)

    assert [issue.field for issue in failed.value.issues] == fields
