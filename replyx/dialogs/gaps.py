"""The gap report: what customers asked and the assistant could not answer well, grouped by meaning, with drafts.

Nothing is stored for it: dialogs are the record. A gap closes by itself once the assistant would answer it, from a
prepared answer or a document; so a draft is approved by adding it as a prepared answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from replyx.assistants.views import AssistantView
from replyx.clock import Clock, iso
from replyx.dialogs.texts import say, small_talk
from replyx.errors import NotFound
from replyx.knowledge.knowledge import THRESHOLD, Knowledge
from replyx.knowledge.views import QaView
from replyx.knowledge.words import key_of
from replyx.storage.database import Database
from replyx.storage.dialogs import LATEST, Dialog, Message
from replyx.storage.fields import to_ms
from replyx.types import Actor, EngineName, Json, Outcome, Sender

#: Dialogs, newest first, that are looked through, and different questions that are grouped.
_MAX_DIALOGS, MOST_GAPS = 1000, 300
#: How far above the threshold an answer is still doubtful.
_DOUBT = 0.1
_MAX_EXAMPLES = 5
#: Longest question and draft, in characters.
_MAX_QUESTION, _MAX_DRAFT = 1000, 4000


@dataclass(frozen=True)
class Miss:
    """One question that was not answered, or poorly; `reply` is what an operator said to it."""

    message_id: int
    dialog_id: int
    question: str
    is_unanswered: bool
    score: float
    asked_at: datetime
    reply: str | None = None


@dataclass(frozen=True)
class Gap:
    """Questions of one meaning. `id` names its newest question: it stays until that is asked anew."""

    id: int
    question: str
    count: int
    dialogs: int
    unanswered: int
    best_score: float
    last_at: datetime
    examples: tuple[Miss, ...]
    #: What an operator answered, the newest such answer: the draft of a pair.
    draft: Miss | None

    def as_json(self) -> Json:
        draft = self.draft
        return {
            "id": self.id,
            "question": self.question,
            "count": self.count,
            "dialogs": self.dialogs,
            "unanswered": self.unanswered,
            "best_score": round(self.best_score, 4),
            "last_at": iso(self.last_at),
            "examples": [{"text": one.question, "dialog_id": one.dialog_id} for one in self.examples],
            "draft": None
            if draft is None
            else {"question": draft.question, "answer": draft.reply, "dialog_id": draft.dialog_id},
        }


class Gaps:
    """Looks for gaps."""

    def __init__(self, db: Database, clock: Clock, knowledge: Knowledge) -> None:
        self._db, self._clock, self._knowledge = db, clock, knowledge

    def report(self, assistant: AssistantView, days: int = 30, limit: int = 50) -> list[Gap]:
        """Gaps of an assistant that the caller was let to, the widest first."""
        threshold = THRESHOLD if assistant.answer_threshold is None else assistant.answer_threshold
        misses = self._misses(assistant.id, days, threshold)
        # The same words again are one text to group.
        by_key: dict[str, list[Miss]] = {}
        for miss in misses:
            by_key.setdefault(key_of(miss.question), []).append(miss)
        sets = list(by_key.values())[:MOST_GAPS]
        grouped = self._knowledge.group_questions([same[0].question for same in sets])
        groups = [[sets[place] for place in places] for places in grouped]
        groups.sort(key=lambda group: (sum(map(len, group)), group[0][0].message_id), reverse=True)
        return list(self._open(assistant.id, threshold, groups, limit))

    def solve(self, actor: Actor, assistant: AssistantView, gap_id: int, answer: str | None, days: int = 30) -> QaView:
        """Approve a gap's draft, or answer it: a prepared answer is added.

        Raises:
            NotFound: there is no such gap any more, or it has no draft and no answer is given.
        """
        gap = next((one for one in self.report(assistant, days, MOST_GAPS) if one.id == gap_id), None)
        if gap is None:
            raise NotFound("Такого пробела нет: он уже закрыт, или номер другой", "There is no such gap any more")
        draft = gap.draft
        text = answer or (draft.reply if draft is not None else None)
        if not text:
            raise NotFound(
                "Оператор на это ещё не отвечал. Дайте ответ сами: answer (в командной строке --answer)",
                "No operator has answered this yet. Give one: answer (on the command line --answer)",
            )
        question = draft.question if draft is not None and not answer else gap.question
        return self._knowledge.add_qa(actor, assistant.id, question, text, ("gap",))

    def _open(
        self, assistant_id: int, threshold: float, groups: Iterable[list[list[Miss]]], limit: int
    ) -> Iterator[Gap]:
        """Gaps of the questions that would still not be answered well, at most `limit`."""
        for group in groups:
            if limit <= 0:
                return
            left = [same for same in group if not self._is_closed(assistant_id, threshold, same)]
            if left:
                limit -= 1
                yield _gap(left)

    def _is_closed(self, assistant_id: int, threshold: float, same: Sequence[Miss]) -> bool:
        question = same[0].question
        if self._knowledge.match_qa(assistant_id, question) is not None:
            return True
        least = threshold if same[0].is_unanswered else threshold + _DOUBT
        return self._knowledge.search(assistant_id, question, limit=1, threshold=least).answerable

    def _misses(self, assistant_id: int, days: int, threshold: float) -> list[Miss]:
        """Newest first."""
        since = self._clock.now() - timedelta(days=days)
        found: list[Miss] = []
        with self._db.connection():
            recent = Dialog.select(Dialog.id).where((Dialog.assistant == assistant_id) & (to_ms(since) <= LATEST))
            newest: Any = recent.order_by(LATEST.desc()).limit(_MAX_DIALOGS).tuples()
            ids = [row[0] for row in newest]
            for start in range(0, len(ids), 100):
                columns = (
                    Message.id, Message.dialog, Message.sender, Message.text, Message.engine, Message.outcome,
                    Message.sources, Message.created_at, Message.operator_name,
                )  # fmt: skip
                query = Message.select(*columns).where(
                    Message.dialog.in_(ids[start : start + 100]) & (Message.created_at >= since)
                )
                dialogs: dict[int, list[Message]] = {}
                for message in query.order_by(Message.dialog, Message.seq):
                    dialogs.setdefault(message.dialog_id, []).append(message)
                for said in dialogs.values():
                    found += _misses_of(said, threshold + _DOUBT)
        return sorted(found, key=lambda miss: miss.message_id, reverse=True)


def _misses_of(said: Sequence[Message], doubtful: float) -> list[Miss]:
    """What one dialog shows, in its order."""
    found: list[Miss] = []
    asked: list[Message] = []
    #: Misses that the next operator's words answer.
    waiting = 0
    for message in said:
        if _is_announcement(message):
            continue
        if message.sender == Sender.USER:
            asked.append(message)
            waiting = 0 if found and found[-1].reply else waiting
        elif message.sender == Sender.OPERATOR:
            for place in range(len(found) - waiting, len(found)):
                whole = "\n".join(filter(None, (found[place].reply, message.text)))
                found[place] = replace(found[place], reply=whole[:_MAX_DRAFT])
            asked = []
        else:
            miss = _judged(asked, message, doubtful)
            if miss is not None:
                found.append(miss)
                # An operator answers the last thing that was asked.
                waiting = 1
            asked = []
    return found


def _is_announcement(message: Message) -> bool:
    """Whether it only says that an operator has come."""
    names = (say("joined", language, name=message.operator_name or "") for language in ("ru", "en"))
    return message.sender == Sender.OPERATOR and message.text in names


def _judged(asked: Sequence[Message], answer: Message, doubtful: float) -> Miss | None:
    text = "\n".join(message.text for message in asked).strip()[:_MAX_QUESTION]
    if not text or not key_of(text) or small_talk(text) is not None or answer.outcome == Outcome.UNAVAILABLE:
        return None
    is_unanswered = answer.outcome == Outcome.NOT_FOUND
    scores = [float(source.get("score") or 0) for source in answer.sources or ()]
    best = max(scores, default=0.0)
    is_doubtful = answer.outcome == Outcome.ANSWERED and bool(scores) and best < doubtful
    if not is_unanswered and (not is_doubtful or answer.engine == EngineName.QA):
        return None
    return Miss(asked[-1].id, answer.dialog_id, text, is_unanswered, best, asked[-1].created_at)


def _gap(sets: Sequence[Sequence[Miss]]) -> Gap:
    """One gap of sets of equal questions, the most typical set first."""
    misses = sorted((miss for same in sets for miss in same), key=lambda miss: miss.message_id, reverse=True)
    answered = [miss for miss in misses if miss.reply]
    return Gap(
        id=misses[0].message_id,
        question=sets[0][0].question,
        count=len(misses),
        dialogs=len({miss.dialog_id for miss in misses}),
        unanswered=sum(miss.is_unanswered for miss in misses),
        best_score=max(miss.score for miss in misses),
        last_at=misses[0].asked_at,
        examples=tuple(same[0] for same in sets[:_MAX_EXAMPLES]),
        draft=answered[0] if answered else None,
    )
