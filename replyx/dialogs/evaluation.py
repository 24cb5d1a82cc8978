"""Golden questions put to an assistant: was the right passage found, was the gate right, is the answer as expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from replyx.assistants.views import AssistantView
from replyx.errors import ValidationFailed
from replyx.knowledge.knowledge import Knowledge
from replyx.knowledge.words import is_common, stems
from replyx.llm.engine import EngineRequest, Passage
from replyx.llm.engines import Engines
from replyx.llm.prompt import language_of
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Message
from replyx.storage.knowledge import QaPair
from replyx.types import EngineName, Json

#: The right passage has to be among the first so many.
FIRST = 3
#: The share of an expected answer's telling words that an answer has to have.
_LIKE = 0.6
_MAX_TOKENS = 512
#: What a cell of the column `answerable` may say.
_YES, _NO = frozenset(("yes", "да", "1", "true")), frozenset(("no", "нет", "0", "false"))


@dataclass(frozen=True)
class Golden:
    """A question with what is right: where its answer stands, what it says; or that there is none."""

    question: str
    #: File names (or their beginnings) and pages that hold the answer; empty: any.
    document: str | None = None
    pages: tuple[int, ...] = ()
    #: The Q&A pair that is to answer it word for word.
    qa_id: int | None = None
    #: The words of a right answer.
    answer: str | None = None
    is_answerable: bool = True


@dataclass(frozen=True)
class Checked:
    """What became of one question. `retrieval` and `answer` are None where nothing is expected of them."""

    question: str
    score: float
    gate: bool
    retrieval: bool | None = None
    answer: bool | None = None
    #: What was found or said instead.
    instead: str = ""

    @property
    def is_right(self) -> bool:
        return self.gate and self.retrieval is not False and self.answer is not False

    @property
    def failed(self) -> str:
        """The first thing that went wrong: `retrieval`, `gate` or `answer`; empty where nothing did."""
        return next(
            (name for name in ("retrieval", "gate", "answer") if getattr(self, name) is False),
            "",
        )

    def as_json(self) -> Json:
        return {
            "question": self.question,
            "score": round(self.score, 4),
            "retrieval": self.retrieval,
            "gate": self.gate,
            "answer": self.answer,
            "failed": self.failed or None,
            "instead": self.instead,
        }


@dataclass(frozen=True)
class Report:
    """All questions of one run."""

    checked: tuple[Checked, ...] = field(default=())

    def share(self, name: str) -> tuple[int, int]:
        """How many were right by `retrieval`, `gate` or `answer`, of how many of which something was expected."""
        found = [value for one in self.checked if (value := getattr(one, name)) is not None]
        return sum(found), len(found)

    @property
    def right(self) -> int:
        return sum(one.is_right for one in self.checked)

    def as_json(self) -> Json:
        return {
            "questions": len(self.checked),
            "right": self.right,
            **{
                name: {"right": right, "of": of}
                for name in ("retrieval", "gate", "answer")
                for right, of in [self.share(name)]
            },
            "results": [one.as_json() for one in self.checked],
        }


class Evaluation:
    """Runs golden questions. Nothing is written to dialogs and nothing is paid."""

    def __init__(self, db: Database, knowledge: Knowledge, engines: Engines) -> None:
        self._db, self._knowledge, self._engines = db, knowledge, engines

    def of_pairs(self, assistant_id: int) -> list[Golden]:
        """The assistant's Q&A pairs: each is to be answered by itself, or by one with the same answer."""
        with self._db.connection():
            rows = QaPair.select().where(QaPair.assistant == assistant_id).order_by(QaPair.id)
            return [Golden(row.question, qa_id=row.id, answer=row.answer) for row in rows]

    def of_dialogs(self, assistant_id: int, limit: int = 200) -> list[Golden]:
        """What operators answered: the customer's last words before an operator's first, and the operator's words.

        An operator's answer is what the assistant should have said; newest dialogs first.
        """
        found: list[Golden] = []
        with self._db.connection():
            solved = Message.select(Message.dialog).where(Message.sender == "operator").distinct()
            dialogs = Dialog.select(Dialog.id).where((Dialog.assistant == assistant_id) & Dialog.id.in_(solved))
            for dialog in dialogs.order_by(Dialog.id.desc()).limit(limit):
                said = list(Message.select().where(Message.dialog == dialog.id).order_by(Message.seq))
                first = next(n for n, message in enumerate(said) if message.sender == "operator")
                asked = next((m.text for m in reversed(said[:first]) if m.sender == "user"), None)
                if asked:
                    found.append(Golden(asked, answer=said[first].text))
        return found

    def run(
        self,
        assistant: AssistantView,
        questions: Sequence[Golden],
        *,
        with_answers: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Report:
        """Put all questions; with `with_answers` the assistant's engine writes the answers that are expected.

        Raises:
            EngineFailed: the engine gave no answer.
        """
        checked = []
        for n, golden in enumerate(questions, 1):
            checked.append(self._check(assistant, golden, with_answers=with_answers))
            if progress is not None:
                progress(n, len(questions))
        return Report(tuple(checked))

    def _check(self, assistant: AssistantView, golden: Golden, *, with_answers: bool) -> Checked:
        pair = self._knowledge.match_qa(assistant.id, golden.question)
        if pair is not None:
            expected = golden.answer is None or _is_like(pair.answer, golden.answer)
            is_it = None if golden.qa_id is None else expected
            told = None if golden.answer is None or golden.qa_id is not None else expected
            instead = "" if expected and golden.is_answerable else pair.question
            return Checked(golden.question, 1.0, golden.is_answerable, is_it, told, instead)
        found = self._knowledge.search(assistant.id, golden.question, threshold=assistant.answer_threshold)
        retrieval = _is_found(golden, found.passages)
        gate = found.answerable == golden.is_answerable
        answer, said = None, ""
        if golden.answer is not None and golden.is_answerable and found.answerable and with_answers:
            said = self._answer(assistant, golden.question, found.passages)
            answer = _is_like(said, golden.answer)
        top = found.passages[0] if found.passages else None
        place = f"{top.filename or top.heading or ''}{f', {top.page}' if top.page else ''}" if top else ""
        instead = said if answer is False else place
        is_right = gate and retrieval is not False and answer is not False
        return Checked(golden.question, found.top_score, gate, retrieval, answer, "" if is_right else instead)

    def _answer(self, assistant: AssistantView, question: str, passages: tuple[Passage, ...]) -> str:
        if assistant.ai_model != EngineName.EXTRACTIVE:
            passages = self._knowledge.surrounded(passages)
        request = EngineRequest(
            model=assistant.ai_model,
            system_prompt=assistant.system_prompt,
            question=question,
            passages=passages,
            language=language_of(question),
            max_tokens=_MAX_TOKENS,
        )
        return "".join(self._engines.stream(request, lambda: False)).strip()


def read_csv(path: Path) -> list[Golden]:
    """Golden questions of a CSV file; its columns are question, document, pages, answer, answerable, the first a must.

    `pages` are numbers with spaces or commas between; `answerable` is yes or no.

    Raises:
        ValidationFailed: a column is missing or a cell cannot be read. OSError: the file cannot be read.
    """
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=head.count)
        rows = csv.DictReader(file, delimiter=delimiter)
        if "question" not in (rows.fieldnames or ()):
            raise ValidationFailed.of(
                path.name,
                "нет столбца question. Первая строка называет столбцы: question,document,pages,answer,answerable",
                "no column 'question'. The first line names the columns: question,document,pages,answer,answerable",
            )
        return [
            _golden(row, path.name, number) for number, row in enumerate(rows, 2) if (row["question"] or "").strip()
        ]


def _golden(row: dict[str, str | None], name: str, number: int) -> Golden:
    cells = {name: (value or "").strip() for name, value in row.items() if name}
    answerable = cells.get("answerable", "").lower() or "yes"
    pages = cells.get("pages", "").replace(",", " ").split()
    if answerable not in _YES | _NO or not all(page.isdigit() for page in pages):
        raise ValidationFailed.of(
            f"{name}:{number}",
            "pages — номера страниц, answerable — yes или no",
            "pages are page numbers, answerable is yes or no",
        )
    return Golden(
        cells["question"],
        cells.get("document") or None,
        tuple(int(page) for page in pages),
        None,
        cells.get("answer") or None,
        answerable in _YES,
    )


class Before:
    """What became of each question when it was put last, since runs may have different ones."""

    def __init__(self, results: Iterable[Json] = ()) -> None:
        self._results = {str(row["question"]): row for row in results}

    def share(self, name: str, now: Report) -> tuple[int, int]:
        """As `Report.share`, of the questions of `now` alone."""
        rows = (self._results.get(question, {}) for question in {one.question for one in now.checked})
        found = [value for row in rows if (value := row.get(name)) is not None]
        return sum(found), len(found)

    def worse(self, now: Report) -> list[str]:
        """Questions that were right and are not now."""
        return [
            one.question
            for one in now.checked
            if not one.is_right and (row := self._results.get(one.question)) and not row.get("failed")
        ]

    def with_run(self, now: Report) -> Before:
        """What the next run is to be compared with: new results in place of the old ones of the same questions."""
        return Before((*self._results.values(), *(one.as_json() for one in now.checked)))

    def save(self, path: Path) -> None:
        """Keep it; whoever reads meanwhile sees the one or the other."""
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(".new")
        text = json.dumps({"results": list(self._results.values())}, ensure_ascii=False, indent=1)
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)

    @classmethod
    def load(cls, path: Path) -> Before:
        """What was kept; nothing where that cannot be read."""
        try:
            return cls(json.loads(path.read_text(encoding="utf-8"))["results"])
        except (OSError, ValueError, TypeError, KeyError):
            return cls()


def _is_found(golden: Golden, passages: Iterable[Passage]) -> bool | None:
    if not golden.is_answerable or (golden.document is None and not golden.pages and golden.qa_id is None):
        return None
    for passage in list(passages)[:FIRST]:
        if golden.qa_id is not None and passage.qa_id == golden.qa_id:
            return True
        of_document = golden.document is None or (passage.filename or "").lower().startswith(golden.document.lower())
        if golden.qa_id is None and of_document and (not golden.pages or passage.page in golden.pages):
            return True
    return False


def _is_like(said: str, expected: str) -> bool:
    """Whether what was said has most of the telling words that were expected, and all of the numbers."""
    wanted = {stem for stem in stems(expected) if not is_common(stem)}
    has = set(stems(said))
    if not wanted:
        return said.strip() == expected.strip()
    numbers = {stem for stem in wanted if stem.isdigit()}
    return numbers <= has and len(wanted & has) >= _LIKE * len(wanted)
