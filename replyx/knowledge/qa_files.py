"""Prepared answers as files: CSV and JSON in and out, with an error for each line that cannot be taken."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from replyx.errors import FieldIssue, ValidationFailed
from replyx.knowledge.plain import decode
from replyx.knowledge.records import delimiter_of
from replyx.knowledge.views import QaView

FileKind = Literal["csv", "json"]
#: Most pairs of one file, and most lines that are complained of.
_MAX_PAIRS, _MAX_ISSUES = 10_000, 50
_COLUMNS = {
    "question": ("question", "вопрос", "q"),
    "answer": ("answer", "ответ", "a"),
    "tags": ("tags", "tag", "теги", "метки", "тег"),
}


@dataclass(frozen=True)
class QaLine:
    """A pair as it stands in a file; `line` is where, from 1: a line of CSV, an item of JSON."""

    line: int
    question: str
    answer: str
    tags: tuple[str, ...]


def read_pairs(content: bytes, kind: FileKind) -> list[QaLine]:
    """The pairs of a file; an empty line is none.

    Raises:
        ValidationFailed: the file cannot be understood; an issue for each line, at most 50.
    """
    text = decode(content).replace("\x00", "")
    pairs, issues = _from_json(text) if kind == "json" else _from_csv(text)
    if issues:
        raise ValidationFailed(issues[:_MAX_ISSUES])
    if not pairs or len(pairs) > _MAX_PAIRS:
        raise ValidationFailed.of(
            "content",
            f"В файле нет пар, или их больше {_MAX_PAIRS}",
            f"There are no pairs in the file, or more than {_MAX_PAIRS}",
        )
    return pairs


def write_pairs(pairs: Iterable[QaView], kind: FileKind) -> str:
    """A file that `read_pairs` takes back."""
    if kind == "json":
        rows = [{"question": p.question, "answer": p.answer, "tags": list(p.tags)} for p in pairs]
        return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("question", "answer", "tags"))
    writer.writerows((p.question, p.answer, _joined(p.tags)) for p in pairs)
    return out.getvalue()


def issue_at(line: int, field: str, ru: str, en: str) -> FieldIssue:
    """What is wrong with a field of a line."""
    return FieldIssue(f"{line}.{field}", f"строка {line}, {field}: {ru}", f"line {line}, {field}: {en}")


def _from_csv(text: str) -> tuple[list[QaLine], list[FieldIssue]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    rows = _rows(reader)
    try:
        _, names = next(rows, (1, []))
        places = _places(names)
        if "question" not in places or "answer" not in places:
            return [], [
                issue_at(1, "question", "нет столбцов question и answer", "there are no columns question and answer")
            ]
        pairs = [_pair(line, row, places) for line, row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        return [], [issue_at(reader.line_num, "csv", f"не разобрать ({error})", f"cannot be read ({error})")]
    return pairs, []


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the lines that they begin at: a cell may have several."""
    begin = 1
    for row in reader:
        yield begin, row
        begin = reader.line_num + 1


def _places(names: Sequence[str]) -> dict[str, int]:
    known = {alias: column for column, aliases in _COLUMNS.items() for alias in aliases}
    found = ((known.get(name.strip().lower(), ""), place) for place, name in enumerate(names))
    return {column: place for column, place in found if column}


def _pair(line: int, row: Sequence[str], places: dict[str, int]) -> QaLine:
    cells = {column: row[place] if place < len(row) else "" for column, place in places.items()}
    return QaLine(line, cells["question"], cells["answer"], _split(cells.get("tags", "")))


def _split(cell: str) -> tuple[str, ...]:
    if cell.strip().startswith("["):
        try:
            found = json.loads(cell)
        except ValueError:
            found = None
        if isinstance(found, list) and all(isinstance(tag, str) for tag in found):
            return tuple(found)
    return tuple(tag.strip() for tag in cell.replace(",", ";").split(";") if tag.strip())


def _joined(tags: Sequence[str]) -> str:
    if any(mark in tag for tag in tags for mark in ";,["):
        return json.dumps(list(tags), ensure_ascii=False)
    return "; ".join(tags)


def _from_json(text: str) -> tuple[list[QaLine], list[FieldIssue]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = getattr(error, "lineno", 1)
        return [], [issue_at(where, "json", "не разобрать JSON", "the JSON cannot be read")]
    if not isinstance(rows, list):
        return [], [issue_at(1, "json", "нужен список пар", "a list of pairs is needed")]
    pairs, issues = [], []
    for number, row in enumerate(rows, 1):
        is_pair = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("question", "answer"))
        tags = (row.get("tags") or []) if isinstance(row, dict) else None
        if not is_pair or not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            issues.append(
                issue_at(number, "json", "нужны строки question и answer, список tags", "strings question and answer, "
                         "a list tags are needed")
            )  # fmt: skip
        else:
            pairs.append(QaLine(number, row["question"], row["answer"], tuple(tags)))
    return pairs, issues
