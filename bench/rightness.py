"""Finding the right passage and refusing what none answers: XQuAD in and across two languages, and the Debian FAQ."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.table import Row
from replyx.clock import SystemClock
from replyx.config.loading import load_config
from replyx.events.memory import MemoryBus
from replyx.knowledge.corpus import Corpus, Entry
from replyx.knowledge.embedders import Embedder, EmbedderSpec, make_embedder
from replyx.knowledge.index import Searchable, Small
from replyx.knowledge.knowledge import Knowledge
from replyx.knowledge.layers import Layer
from replyx.knowledge.qa import mean_the_same
from replyx.knowledge.ranking import Item, Question
from replyx.knowledge.vectors import VectorStore
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.schema import migrate
from replyx.types import SYSTEM
from tests.support.documents import faq_pdf

_ROOT = Path(__file__).parents[1]
_XQUAD = _ROOT.parent / "shared" / "data"
_FAQ = (_ROOT / "tests" / "acceptance" / "faq_questions.json", Path(__file__).with_name("faq_questions.json"))
_ASSISTANT = 1
#: Goals of R@1 and of R@5.
_GOALS = {"en": (0.96, 0.995), "ru": (0.95, 0.995)}


def run(*, quick: bool) -> list[Row]:
    """All figures with both models; quick: with the first alone, whose figures the others are shown beside."""
    rows: list[Row] = []
    first, second = make_embedder(EmbedderSpec("use")), None if quick else make_embedder(EmbedderSpec("e5"))
    if (_XQUAD / "xquad-dev.ru.jsonl").is_file():
        both = {language: _Half(language, first, second) for language in ("en", "ru")}
        for language, half in both.items():
            rows += _same_language(half, language)
        rows += [_across(both["en"], both["ru"], "ru questions, en passages")]
        rows += [_across(both["ru"], both["en"], "en questions, ru passages")]
    return rows + _faq(quick)


class _Half:
    """One language of XQuAD's development half, embedded."""

    def __init__(self, language: str, first: Embedder, second: Embedder | None) -> None:
        self.first, self.second = first, second
        lines = (_XQUAD / f"xquad-dev.{language}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        self.passages, self.questions, self.unanswerable = (
            [row for row in rows if row["kind"] == kind] for kind in ("passage", "question", "unanswerable")
        )
        entries = [Entry(n, 0, row["text"], row["text"]) for n, row in enumerate(self.passages, 1)]
        layers = [_layer(one) for one in (first, second) if one is not None]
        made = [layer.rows(entries, _ASSISTANT) for layer in layers]
        self.items = [
            Item(row.item_id, row.sentences, row.vector, row.parts, made[1][n].parts if second else None)
            for n, row in enumerate(made[0])
        ]

    def known(self, *, with_second: bool = True) -> Searchable:
        return Small(self.items, self.first, _layer(self.second) if self.second and with_second else None)

    def words_alone(self) -> Searchable:
        return Small([Item(item.id, item.sentences, None) for item in self.items], self.first, None)

    def asked(self, known: Searchable, questions: list[dict[str, Any]]) -> _Asked:
        second = self.second.embed_query if self.second else None
        return _Asked([known.best(Question(q["text"], self.first.embed_query, second), 10) for q in questions])

    def wanted(self, questions: list[dict[str, Any]]) -> list[int]:
        """The right items: both languages have the same passages in the same order."""
        place = {row["id"].partition("-")[2]: n for n, row in enumerate(self.passages, 1)}
        return [place[row["passage"].partition("-")[2]] for row in questions]


class _Asked:
    """What was found for questions."""

    def __init__(self, found: list[list[tuple[Item, float]]]) -> None:
        self._ids = [[item.id for item, _ in one] for one in found]
        self.top = np.array([one[0][1] if one else 0.0 for one in found])

    def within(self, limit: int, wanted: list[int]) -> float:
        return statistics.fmean(right in ids[:limit] for ids, right in zip(self._ids, wanted, strict=True))


def _same_language(half: _Half, language: str) -> list[Row]:
    wanted = half.wanted(half.questions)
    asked, words = half.asked(half.known(), half.questions), half.asked(half.words_alone(), half.questions)
    none = half.asked(half.known(), half.unanswerable)
    least = float(np.quantile(asked.top, 0.05))
    refused = float(np.mean(none.top < least))
    rows = []
    for limit, goal in zip((1, 5), _GOALS[language], strict=True):
        share = asked.within(limit, wanted)
        name = f"{language}: R@{limit} (floor: words alone)"
        rows.append(Row(name, share, "", words.within(limit, wanted), None, f"≥ {goal}", share >= goal))
    name = f"{language}: unanswerable refused where 95 % of answerable pass"
    rows.append(Row(name, refused, "", goal="≥ 0.85", is_met=refused >= 0.85))
    wrong = _wrong_matches(half.first, [row["text"] for row in half.questions])
    return [
        *rows,
        Row(f"{language}: answerable let through at the threshold", float(np.mean(asked.top >= 0.5)), ""),
        Row(f"{language}: unanswerable refused at the threshold", float(np.mean(none.top < 0.5)), ""),
        Row(f"{language}: answerable at or above the threshold of asking back", float(np.mean(asked.top >= 0.2)), ""),
        Row(f"{language}: questions taken for another by the Q&A match", wrong, f"of {len(half.questions)}"),
    ]


def _across(passages: _Half, questions: _Half, name: str) -> Row:
    share = passages.asked(passages.known(), questions.questions).within(5, passages.wanted(questions.questions))
    return Row(f"{name}: R@5", share, "", goal="≥ 0.93", is_met=share >= 0.93)


def _wrong_matches(embedder: Embedder, questions: list[str]) -> int:
    """How many questions would be given the answer of a different one."""
    vectors = np.array([embedder.embed_query(question) for question in questions])
    near = vectors @ vectors.T >= embedder.near
    return sum(
        any(questions[a] != questions[b] and mean_the_same(questions[a], questions[b]) for b in np.flatnonzero(near[a]))
        for a in range(len(questions))
    )


def _faq(quick: bool) -> list[Row]:
    asked = [row for file in _FAQ for row in json.loads(file.read_text(encoding="utf-8"))]
    with _taught(quick) as (knowledge, assistant, documents):
        right = []
        refused = []
        for row in asked:
            found = knowledge.search(assistant, row["question"])
            if not row["pages"]:
                refused.append(not found.answerable)
                continue
            pages = {p.page for p in found.passages[:3] if p.document_id == documents[row["lang"]]}
            right.append(bool(pages & set(row["pages"])))
    name = f"Debian FAQ: right page among the first three, of {len(right)} questions"
    return [
        Row(name, sum(right), "", goal="≥ 38 of 40", is_met=sum(right) >= 0.95 * len(right)),
        Row(f"Debian FAQ: other questions refused, of {len(refused)}", sum(refused), ""),
    ]


@contextmanager
def _taught(quick: bool) -> Iterator[tuple[Knowledge, int, dict[str, int]]]:
    """Both FAQs read by one assistant."""
    with tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder:
        environment = {"REPLYX_DATA_DIR": folder, "REPLYX_KNOWLEDGE__SECOND": "none" if quick else "e5"}
        config = load_config(None, environment)
        db = Database(config.database_url, pool=5, timeout=5)
        migrate(db)
        knowledge = Knowledge(db, MemoryBus(), SystemClock(), _Nobody(), config)
        now = SystemClock().now()
        with db.transaction():
            user = User.create(email="bench@example.com", password_hash="-", token_epoch="-", created_at=now)
            made = Assistant.create(user=user, name="b", ai_model="extractive", allowed_domains=[], created_at=now)
        documents = {}
        for language in ("en", "ru"):
            with faq_pdf(language).open("rb") as content:
                view = knowledge.add_document(SYSTEM, made.id, f"faq.{language}.pdf", content)
            knowledge.ingest(view.id)
            documents[language] = view.id
        knowledge.refine(made.id)
        yield knowledge, made.id, documents
        knowledge.close()
        db.close()


class _Nobody:
    """A queue without workers: the bench does the work itself."""

    def send(self, task: str, *args: int | str) -> None:
        """Nothing is to be done by others."""


def _layer(embedder: Embedder) -> Layer:
    return Layer(cast(Corpus, None), cast(VectorStore, None), embedder)
