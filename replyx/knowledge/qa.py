"""Questions with prepared answers, which are given word for word."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from replyx.clock import Clock
from replyx.errors import FieldIssue, NotFound, ValidationFailed
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.documents import access_assistant, as_id, assistants_of, owned_by
from replyx.knowledge.index import Index
from replyx.knowledge.qa_files import QaLine, issue_at
from replyx.knowledge.views import QaImport, QaView
from replyx.knowledge.words import is_common, key_of, stems
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.knowledge import QaPair
from replyx.storage.prepared import Prepared, Slot
from replyx.storage.row_counts import kept_count
from replyx.types import Actor

#: Most lines of a file that are complained of.
_MAX_ISSUES = 50
_MAX_QUESTION, _MAX_ANSWER, _MAX_TAGS, _MAX_TAG = 1000, 16_000, 20, 50
#: Keys up to this long are stored as they are; longer ones as a digest.
_MAX_KEY = 200

#: Least share of their telling words that two questions of one meaning have in common. Wrong words given with
#: certainty are worse than none, so vectors alone do not decide (`bench/retrieval.py` counts the mistakes).
_SHARED = 0.75
#: What makes two questions different however alike they sound: numbers, negation, and what is asked for.
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d")
_QUESTION_WORDS = (
    "не нет без кто кого кому кем чей где куда откуда когда сколько почему зачем как какой какая какое какие каком "
    "not no never without who whom whose where when why how which what"
)
_DECIDING = frozenset(_QUESTION_WORDS.split())


_EXACT = Prepared(
    lambda: (
        QaPair.select()
        .where((QaPair.assistant == Slot("assistant")) & (QaPair.question_key == Slot("key")))
        .order_by(QaPair.id.desc())
        .limit(1)
    )
)
_ANY = Prepared(lambda: QaPair.select(QaPair.id).where(QaPair.assistant == Slot("assistant")).limit(1).tuples())


class QaPairs:
    """Rows of Q&A pairs."""

    def __init__(self, db: Database, clock: Clock, corpus: Corpus, index: Index) -> None:
        self._db, self._clock, self._corpus = db, clock, corpus
        self._index = index

    def add(self, actor: Actor, assistant_id: int, question: str, answer: str, tags: Iterable[str]) -> QaView:
        access_assistant(self._db, actor, assistant_id)
        fields = _checked(question, answer, tags)
        with self._db.transaction():
            row = QaPair.create(
                assistant=assistant_id,
                question=fields[0],
                question_key=_key(fields[0]),
                answer=fields[1],
                tags=fields[2],
                created_at=self._clock.now(),
            )
            self._corpus.changed(assistant_id)
        return QaView.of(row)

    def add_all(self, actor: Actor, assistant_id: int, lines: Sequence[QaLine]) -> QaImport:
        """Take all pairs, or none: a question that is there already gets the new answer and tags."""
        access_assistant(self._db, actor, assistant_id)
        checked = _checked_lines(lines)
        counts = {"added": 0, "changed": 0, "unchanged": 0}
        with self._db.transaction():
            there = {
                row.question_key: row
                for row in QaPair.select().where(QaPair.assistant == assistant_id).order_by(QaPair.id)
            }
            for key, (question, answer, tags) in checked.items():
                known = there.get(key)
                if known is None:
                    moment = self._clock.now()
                    fields = {"question": question, "question_key": key, "answer": answer, "tags": tags}
                    QaPair.create(assistant=assistant_id, created_at=moment, **fields)
                    counts["added"] += 1
                elif (known.question, known.answer, list(known.tags or [])) != (question, answer, tags):
                    changed = QaPair.update(question=question, answer=answer, tags=tags).where(QaPair.id == known.id)
                    counts["changed"] += changed.execute()
                else:
                    counts["unchanged"] += 1
            self._corpus.changed(assistant_id)
        return QaImport(**counts)

    def all_of(self, actor: Actor, assistant_id: int) -> list[QaView]:
        """Every pair of the assistant, oldest first."""
        access_assistant(self._db, actor, assistant_id)
        with self._db.connection():
            rows = QaPair.select().where(QaPair.assistant == assistant_id).order_by(QaPair.id)
            return [QaView.of(row) for row in rows]

    def list_for(
        self, actor: Actor, assistant_id: int | None, q: str | None, limit: int, offset: int
    ) -> tuple[list[QaView], int]:
        """Pairs, newest first; with `q`, those whose question or answer contains it, whatever its case."""
        with self._db.connection():
            if assistant_id is not None:
                access_assistant(self._db, actor, assistant_id)
            whose = assistants_of(actor, assistant_id)
            query = QaPair.select().where(QaPair.assistant.in_(whose)).order_by(QaPair.id.desc())
            if not q or not q.strip():
                total = kept_count("qa_pairs", assistant_id=whose)
                return [QaView.of(row) for row in query.limit(limit).offset(offset)], total
            # SQLite knows the case of ASCII letters only.
            wanted = q.strip().casefold()
            found = [row for row in query if wanted in row.question.casefold() or wanted in row.answer.casefold()]
            return [QaView.of(row) for row in found[offset : offset + limit]], len(found)

    def get(self, actor: Actor, qa_id: int) -> QaView:
        with self._db.connection():
            return QaView.of(self._access(actor, qa_id))

    def update(
        self, actor: Actor, qa_id: int, question: str | None, answer: str | None, tags: Iterable[str] | None
    ) -> QaView:
        """Change what is given."""
        with self._db.transaction():
            row = self._access(actor, qa_id)
            row.question, row.answer, row.tags = _checked(
                row.question if question is None else question,
                row.answer if answer is None else answer,
                row.tags if tags is None else tags,
            )
            row.question_key = _key(row.question)
            row.save()
            self._corpus.changed(row.assistant_id)
        return QaView.of(row)

    def delete(self, actor: Actor, qa_id: int) -> None:
        with self._db.transaction():
            row = self._access(actor, qa_id)
            if not QaPair.delete().where(QaPair.id == row.id).execute():
                raise _no_pair()
            self._corpus.changed(row.assistant_id)
            self._db.after_commit(lambda: self._index.if_open(lambda store: store.remove_items([-qa_id])))

    def match(self, assistant_id: int, question: str) -> QaView | None:
        """The pair whose question is this but for case, punctuation and endings; else one that means the same."""
        with self._db.connection():
            key = _key(question)
            exact = _EXACT.bind(assistant=assistant_id, key=key).first() if key else None
            if exact is not None:
                return QaView.of(exact)
            if _ANY.bind(assistant=assistant_id).first() is None:
                return None
        return self._near(assistant_id, question)

    def _near(self, assistant_id: int, question: str) -> QaView | None:
        known = self._index.of(assistant_id)
        if known is None:
            return None
        for qa_id, cosine in known.pairs(self._index.question(question))[:5]:
            if not self._index.is_near(cosine):
                return None
            with self._db.connection():
                row = QaPair.get_or_none((QaPair.id == qa_id) & (QaPair.assistant == assistant_id))
            if row is not None and mean_the_same(question, row.question):
                return QaView.of(row)
        return None

    def _access(self, actor: Actor, qa_id: int) -> QaPair:
        query = QaPair.select().join(Assistant).where((QaPair.id == as_id(qa_id)) & owned_by(actor))
        row: QaPair | None = query.first()
        if row is None:
            raise _no_pair()
        return row


def mean_the_same(one: str, other: str) -> bool:
    """Whether two questions that sound alike agree on numbers, negation, question words, and on most other words."""
    if _deciding(one) != _deciding(other):
        return False
    a, b = ({stem for stem in stems(text) if not is_common(stem)} for text in (one, other))
    # A word in place of another makes another question; words more or fewer may not.
    return bool(a & b) and (a <= b or b <= a) and len(a & b) >= _SHARED * len(a | b)


def _deciding(question: str) -> set[str]:
    words = _WORD.findall(question.lower().replace("ё", "е"))
    return {word for word in words if word in _DECIDING or _NUMBER.search(word)}


def _key(question: str) -> str:
    key = key_of(question)
    return key if len(key) <= _MAX_KEY else hashlib.sha256(key.encode()).hexdigest()


def _checked(question: str, answer: str, tags: Iterable[str]) -> tuple[str, str, list[str]]:
    """The fields without surrounding spaces and NULs, which PostgreSQL cannot hold."""
    issues = []
    texts = []
    for field, value, longest in (("question", question, _MAX_QUESTION), ("answer", answer, _MAX_ANSWER)):
        text = value.replace("\x00", "").strip()
        if not text:
            issues.append(FieldIssue(field, "Заполните поле", "Fill in this field"))
        elif len(text) > longest:
            issues.append(FieldIssue(field, f"Не длиннее {longest} символов", f"At most {longest} characters"))
        elif field == "question" and not key_of(text):
            issues.append(FieldIssue(field, "В вопросе нет слов", "The question has no words"))
        texts.append(text)
    labels = list(dict.fromkeys(tag.replace("\x00", "").strip() for tag in tags))
    labels = [tag for tag in labels if tag]
    if len(labels) > _MAX_TAGS or any(len(tag) > _MAX_TAG for tag in labels):
        issues.append(
            FieldIssue(
                "tags",
                f"Не больше {_MAX_TAGS} меток по {_MAX_TAG} символов",
                f"At most {_MAX_TAGS} tags of {_MAX_TAG} characters",
            )
        )
    if issues:
        raise ValidationFailed(issues)
    return texts[0], texts[1], labels


def _checked_lines(lines: Sequence[QaLine]) -> dict[str, tuple[str, str, list[str]]]:
    """Key → the fields of each line, in their order. Raises ValidationFailed with an issue for each bad line."""
    found: dict[str, tuple[str, str, list[str]]] = {}
    first_at: dict[str, int] = {}
    issues: list[FieldIssue] = []
    for line in lines:
        try:
            fields = _checked(line.question, line.answer, line.tags)
        except ValidationFailed as error:
            issues += [issue_at(line.line, issue.field, issue.ru, issue.en) for issue in error.issues]
            continue
        key = _key(fields[0])
        if key in found:
            at = first_at[key]
            issues.append(issue_at(line.line, "question", f"уже был в строке {at}", f"was in line {at} already"))
        found[key], first_at[key] = fields, line.line
    if issues:
        raise ValidationFailed(issues[:_MAX_ISSUES])
    return found


def _no_pair() -> NotFound:
    return NotFound("Запись не найдена", "No such entry")
