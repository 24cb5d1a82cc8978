"""Drafting an answer: exact Q&A, small talk, passages through the gate, then an engine. Writes nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from replyx.config.settings import Config
from replyx.dialogs.citing import cited
from replyx.dialogs.followups import standing
from replyx.dialogs.rewriting import as_whole_question
from replyx.dialogs.texts import say, small_talk
from replyx.dialogs.trace import Trace
from replyx.errors import EngineFailed
from replyx.events.stories import Lap
from replyx.knowledge.knowledge import Knowledge
from replyx.knowledge.views import SearchResult
from replyx.llm.engine import EngineRequest, Passage, Turn
from replyx.llm.engines import EngineOutcome, Engines
from replyx.llm.leak import GAP
from replyx.llm.prompt import language_of
from replyx.types import EngineName, Outcome, Source

logger = logging.getLogger(__name__)

#: Seconds after which a failure passes that may be waited for; a longer one is no wait for a customer.
_SOON = 5

#: Longest quote of a passage in a source, in characters.
_QUOTE = 300
#: Matters that a customer is asked back about.
_MATTERS = 3
#: Longest answer that is kept, in characters.
_MAX_ANSWER = 16_000


@dataclass(frozen=True)
class Question:
    """What is to be answered, read from the record: the customer's unanswered words, and what was said before."""

    assistant_id: int
    model: str
    system_prompt: str
    not_found_text: str | None
    welcome_text: str | None
    threshold: float | None
    clarify_threshold: float | None
    text: str
    history: tuple[Turn, ...]
    locale: str | None
    #: Whose assistant it is: a local model takes tenants in turn.
    tenant_id: int = 0

    @property
    def language(self) -> str:
        """The customer's language: of the words where they tell, else of the page."""
        if any(c.isalpha() for c in self.text):
            return language_of(self.text)
        return "en" if (self.locale or "").lower().startswith("en") else "ru"


@dataclass(frozen=True)
class Draft:
    """An answer that nobody has seen yet. `is_paid`: something was found or generated, so it has its price."""

    text: str
    outcome: Outcome
    engine: EngineName
    sources: tuple[Source, ...] = ()
    is_paid: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    trace: Trace | None = None


class Writer(Protocol):
    """Where an answer goes while it is written."""

    def write(self, piece: str) -> None:
        """Send the next piece."""

    def restart(self) -> None:
        """Everything sent so far is void."""


class Drafting:
    """Turns a question into a draft."""

    def __init__(self, knowledge: Knowledge, engines: Engines, config: Config) -> None:
        self._knowledge, self._engines, self._config = knowledge, engines, config

    def draft(
        self,
        question: Question,
        writer: Writer,
        should_stop: Callable[[], bool],
        *,
        may_wait: bool = False,
        before: Sequence[Lap] = (),
    ) -> Draft | None:
        """The answer, streamed to `writer` as it comes; None where `should_stop` ended it early.

        Its trace begins with what was done `before`.

        Where the engine fails, another one answers: a local model, or the words of the documents. With `may_wait` a
        failure that soon passes is raised instead, to be tried again.

        Raises:
            EngineFailed: no whole answer came, of no engine.
        """
        language, trace = question.language, Trace(question.model, laps=[*before])
        pair = self._knowledge.match_qa(question.assistant_id, question.text)
        if pair is not None:
            source = Source(None, None, None, None, pair.question[:_QUOTE], 1.0, qa_id=pair.id)
            trace.passages = (Passage(pair.question, 1.0, qa_id=pair.id),)
            trace.lap("search")
            return Draft(pair.answer, Outcome.ANSWERED, EngineName.QA, (source,), is_paid=True, trace=trace)
        talk = small_talk(question.text)
        if talk is not None and question.model == EngineName.EXTRACTIVE:
            text = (question.welcome_text if talk == "greeting" else None) or say(talk, language)
            return Draft(text, Outcome.ANSWERED, EngineName.EXTRACTIVE, trace=trace)
        asked = standing(question.text, question.history)
        found = self._search(question, asked)
        if talk is None and asked != question.text:
            found = self._meant(question, found, should_stop)
        trace.passages = found.passages
        trace.lap("search")
        # A model may chat without documents; an assistant that has some must not answer past them.
        may_talk_freely = question.model != EngineName.EXTRACTIVE and (talk is not None or not found.has_knowledge)
        if not found.answerable and not may_talk_freely:
            text = question.not_found_text or say("not_found", language)
            text += self._asking_back(found, question.clarify_threshold, language)
            return Draft(text, Outcome.NOT_FOUND, self._engines.engine_of(question.model), (), trace=trace)
        passages = found.passages if found.answerable else ()
        if question.model != EngineName.EXTRACTIVE:
            passages = self._knowledge.surrounded(passages)
        request = self._request(question, passages, language)
        begun = time.monotonic()
        try:
            return self._generate(_for_engine(request, asked), trace, writer, should_stop)
        except EngineFailed as failure:
            # Two that said nothing for as long as they may were one key and the next: the customer has waited enough.
            is_slow = time.monotonic() - begun > 1.5 * self._config.answers.first_byte_seconds
            if may_wait and not is_slow and failure.retryable and (failure.retry_after or 0) <= _SOON:
                raise
            return self._last_resort(request, asked, failure, trace, writer, should_stop)

    def _search(self, question: Question, asked: str) -> SearchResult:
        """What is found for the question's own words, or where it leans on another, for both, if that fits better."""
        own = self._found(question, question.text)
        if asked == question.text:
            return own
        both = self._found(question, asked)
        return own if own.answerable and own.top_score > both.top_score else both

    def _meant(self, question: Question, found: SearchResult, should_stop: Callable[[], bool]) -> SearchResult:
        """What is found for a follow-up as the assistant's model puts it, where its words found too little."""
        has_model = question.model != EngineName.EXTRACTIVE and self._config.answers.rewrite_questions
        if found.answerable or not found.has_knowledge or not has_model:
            return found
        whole = as_whole_question(
            self._engines,
            question.model,
            question.text,
            question.history,
            question.language,
            should_stop,
            question.tenant_id,
        )
        meant = self._found(question, whole) if whole else found
        return meant if meant.answerable else found

    def _found(self, question: Question, text: str) -> SearchResult:
        limit = self._config.knowledge.passages
        return self._knowledge.search(question.assistant_id, text, limit=limit, threshold=question.threshold)

    def _asking_back(self, found: SearchResult, threshold: float | None, language: str) -> str:
        """What the customer may have meant, where something like it is known; empty where nothing is."""
        least = self._config.knowledge.clarify_threshold if threshold is None else threshold
        # Headings in another language are no help to whoever asked.
        found_here = [p for p in found.passages if p.heading and language_of(p.heading) == language]
        matters = dict.fromkeys(" ".join((p.heading or "").split()) for p in found_here if p.score >= least)
        lines = "".join(f"\n• {matter}" for matter in list(matters)[:_MATTERS])
        return f"\n\n{say('clarify', language)}{lines}" if lines else ""

    def _request(self, question: Question, passages: tuple[Passage, ...], language: str) -> EngineRequest:
        return EngineRequest(
            model=question.model,
            system_prompt=question.system_prompt,
            question=question.text,
            passages=passages,
            history=question.history,
            language=language,
            max_tokens=self._config.answers.max_tokens,
            tenant_id=question.tenant_id,
        )

    def _last_resort(
        self,
        request: EngineRequest,
        asked: str,
        failure: EngineFailed,
        trace: Trace,
        writer: Writer,
        should_stop: Callable[[], bool],
    ) -> Draft | None:
        """The answer of the first engine that can give one; its tokens are not those that the price is by."""
        model, error = request.model, failure
        for other in self._engines.last_resorts(request.model):
            logger.warning(
                "another engine answers", extra={"model": model, "instead": other, "error": str(error)[:200]}
            )
            trace.failures.append({"model": model, "reason": str(error)[:200]})
            writer.restart()
            try:
                draft = self._generate(_for_engine(replace(request, model=other), asked), trace, writer, should_stop)
            except EngineFailed as again:
                model, error = other, again
                continue
            return draft and replace(draft, prompt_tokens=0, completion_tokens=0)
        raise failure

    def _generate(
        self, request: EngineRequest, trace: Trace, writer: Writer, should_stop: Callable[[], bool]
    ) -> Draft | None:
        deadline = time.monotonic() + self._config.answers.timeout_seconds
        stream = self._engines.stream(request, should_stop)
        pieces: list[str] = []
        size = 0
        try:
            while True:
                piece = next(stream)
                if should_stop():
                    return None
                if not pieces:
                    trace.lap("first_piece")
                pieces.append(piece)
                size += len(piece)
                writer.write(piece)
                if size > _MAX_ANSWER or time.monotonic() > deadline:
                    raise EngineFailed("the answer is longer than allowed", retryable=False)
        except StopIteration as end:
            outcome: EngineOutcome = end.value
        finally:
            stream.close()
            trace.lap("writing")
        if should_stop():
            return None
        text = "".join(pieces).strip()
        if outcome.engine is not EngineName.EXTRACTIVE:
            # A quotation is one piece of one passage, whose number stands behind it, and is left as it is.
            text = cited(text, request.passages)
        if not text.strip(f"{GAP} \n"):
            raise EngineFailed("the engine ended without a word", retryable=not outcome.leaked)
        trace.outcome = outcome
        return Draft(
            text,
            Outcome.ANSWERED,
            outcome.engine,
            _sources(request.passages),
            is_paid=True,
            prompt_tokens=outcome.usage.prompt_tokens,
            completion_tokens=outcome.usage.completion_tokens,
            trace=trace,
        )


def _for_engine(request: EngineRequest, asked: str) -> EngineRequest:
    """A model reads what was said before, and its passages in their order; the engine that quotes has only the
    question, and looks at the best passages first."""
    if request.model != EngineName.EXTRACTIVE:
        return request
    best_first = sorted(request.passages, key=lambda passage: -passage.score)
    return replace(request, question=asked, passages=tuple(best_first))


def _sources(passages: tuple[Passage, ...]) -> tuple[Source, ...]:
    return tuple(
        Source(p.document_id, p.filename, p.page, p.heading, _quote(p.text), p.score, url=p.url, qa_id=p.qa_id)
        for p in passages
    )


def _quote(text: str) -> str:
    if len(text) <= _QUOTE:
        return text
    cut = text[:_QUOTE].rsplit(" ", 1)[0]
    return f"{cut}…"
