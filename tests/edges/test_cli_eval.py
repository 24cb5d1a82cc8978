"""Golden questions: where they come from, what is checked, and how runs are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from replyx.dialogs.evaluation import Before, Checked, Golden, Report, read_csv
from replyx.errors import ValidationFailed
from tests.support.cli import Cli

_SHOP = """# Доставка
Доставка по городу бесплатна. В другие города заказ едет от трёх до семи дней.

# Возврат
Товар можно вернуть за 14 дней, если сохранён чек. Деньги приходят на карту за три дня.
"""
_GOLDEN = """question;document;pages;answer;answerable
Сколько дней едет заказ в другой город?;shop;;от трёх до семи дней;
Как вернуть товар?;shop;;за 14 дней;да
Кто написал «Войну и мир»?;;;;нет
"""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    cli = Cli(tmp_path)
    (tmp_path / "shop.md").write_text(_SHOP, encoding="utf-8")
    (tmp_path / "golden.csv").write_text(_GOLDEN, encoding="utf-8")
    assert cli.run("init", "--yes", "--admin-email", "boss@example.com").code == 0
    assert cli.run("knowledge", "add", "1", str(tmp_path / "shop.md"), "--wait").code == 0
    return cli


def test_golden_questions_of_a_file_are_checked_and_compared_with_the_last_run(cli: Cli, tmp_path: Path) -> None:
    golden = str(tmp_path / "golden.csv")

    first = cli.json("eval", "1", golden, "--answers")
    assert (first["right"], first["questions"], first["worse"]) == (3, 3, [])
    assert first["retrieval"] == {"right": 2, "of": 2}
    assert first["gate"] == {"right": 3, "of": 3}
    assert first["answer"] == {"right": 2, "of": 2}

    documents = cli.json("knowledge", "list", "1")
    assert cli.run("knowledge", "remove", str(documents[0]["id"]), "--yes").code == 0
    worse = cli.json("eval", "1", golden, expect=1)
    assert worse["right"] == 1
    assert len(worse["worse"]) == 2
    table = cli.run("eval", "1", golden)
    assert table.code == 1
    assert "Как вернуть товар?" in table.out
    assert "Right: 1 of 3" in table.out


def test_pairs_answer_for_themselves_and_nothing_to_ask_is_an_error(cli: Cli) -> None:
    code, error = cli.error("eval", "1")
    assert code != 0
    assert "CSV" in error["message"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("вопрос,ответ\nКто?,Я\n", "bad.csv"),
        ("question,pages\nКто?,первая\n", "bad.csv:2"),
        ("question,answerable\nA?,может быть\n", "bad.csv:2"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ValidationFailed) as caught:
        read_csv(file)

    assert caught.value.issues[0].field == field


def test_a_file_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "golden.csv"
    file.write_text('\ufeffquestion;pages;answerable\n"Что; где?";"3, 4";нет\n;;\n', encoding="utf-8")

    assert read_csv(file) == [Golden("Что; где?", pages=(3, 4), is_answerable=False)]


@pytest.mark.parametrize("text", ["[", "[]", "{}", '{"results": 1}', '{"results": [1]}', '{"results": [{}]}'])
def test_what_was_kept_and_cannot_be_read_compares_with_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "last.json").write_text(text, encoding="utf-8")

    for name in ("last.json", "none.json"):
        assert Before.load(tmp_path / name).worse(_report(("A?", False))) == []


def test_each_question_is_compared_with_the_time_it_was_put_last(tmp_path: Path) -> None:
    file = tmp_path / "last.json"
    Before().with_run(_report(("A?", True), ("B?", False))).save(file)
    # Another file of golden questions, or the Q&A pairs, in between.
    Before.load(file).with_run(_report(("C?", True), ("D?", True), ("E?", True))).save(file)

    before, now = Before.load(file), _report(("A?", False), ("B?", False))

    assert before.worse(now) == ["A?"]
    assert before.share("gate", now) == (1, 2)
    assert before.share("answer", now) == (0, 0)
    # What got worse is told once, as what is right is told by the share.
    assert before.with_run(now).worse(now) == []


def _report(*results: tuple[str, bool]) -> Report:
    return Report(tuple(Checked(question, 0.5, gate) for question, gate in results))
