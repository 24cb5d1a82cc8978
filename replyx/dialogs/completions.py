"""One answer for a program of the tenant's, without a dialog: the caller sends the history, nothing of it is kept."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from replyx.billing.ledger import Ledger
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.dialogs.drafting import Draft, Drafting, Question, Writer
from replyx.dialogs.paying import Held, Paying, completion_key
from replyx.dialogs.trace import Trace, story_of
from replyx.errors import NotFound, ValidationFailed
from replyx.events.spans import Spans
from replyx.llm.engine import Turn
from replyx.log import traced
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.types import Actor, Channel, Json

logger = logging.getLogger(__name__)

#: How the endpoint names an assistant beside its own name: `assistant-7`.
_PREFIX = "assistant-"


@dataclass(frozen=True)
class CompletionRequest:
    """What a program asks: `instructions` come after the assistant's own, `question` is the last word of a user."""

    model: str
    question: str
    history: tuple[Turn, ...] = ()
    instructions: str = ""


@dataclass(frozen=True)
class Completion:
    """An answer that was paid. `price` is kopecks."""

    text: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    price: int
    #: Outcome, engine and sources, as a message of a dialog has them.
    about: Json


class Completions:
    """Hold → draft → capture | release, as for a dialog."""

    def __init__(
        self, db: Database, drafting: Drafting, ledger: Ledger, clock: Clock, config: Config, spans: Spans
    ) -> None:
        self._db, self._drafting, self._ledger = db, drafting, ledger
        self._clock, self._spans = clock, spans
        self._paying = Paying(db, ledger, clock, config)

    def models(self, actor: Actor) -> list[Json]:
        """The tenant's assistants, as the endpoint lists models."""
        with self._db.connection():
            rows = Assistant.select().where((Assistant.user == actor.tenant_id) & Assistant.is_active)
            return [_model(row) for row in rows.order_by(Assistant.id)]

    def model(self, actor: Actor, name: str) -> Json:
        """One of them. Raises NotFound."""
        with self._db.connection():
            return _model(_assistant(actor, name))

    def complete(
        self, actor: Actor, request: CompletionRequest, writer: Writer, should_stop: Callable[[], bool]
    ) -> Completion | None:
        """Write the answer to `writer`, and capture its price; None where `should_stop` ended it, which is free.

        Raises:
            NotFound: no such assistant of the caller's. InsufficientBalance: it cannot be paid.
            EngineFailed: no whole answer came; what was written is none.
        """
        with traced():
            return self._complete(actor, request, writer, should_stop)

    def _complete(
        self, actor: Actor, request: CompletionRequest, writer: Writer, should_stop: Callable[[], bool]
    ) -> Completion | None:
        name, asked_at = secrets.token_hex(12), self._clock.now()
        with self._db.transaction():
            assistant = _assistant(actor, request.model)
            key = completion_key(assistant.id, name)
            held = self._paying.hold_for(assistant.user_id, assistant, Channel.API, key)
        draft = None
        try:
            draft = self._drafting.draft(_question(assistant, request), writer, should_stop)
            if draft is not None:
                with self._db.transaction():
                    paid_for = {"completion": name, "message_count": 1}
                    self._paying.settle_for(assistant.id, Channel.API, held, draft, paid_for)
                    if draft.trace is not None:
                        self._tell(assistant, draft, draft.trace, held, asked_at)
        except BaseException:
            self._free(held)
            raise
        if draft is None:
            self._free(held)
            return None
        return _completion(assistant, draft, held)

    def _tell(self, assistant: Assistant, draft: Draft, trace: Trace, held: Held, asked_at: datetime) -> None:
        seconds = (self._clock.now() - asked_at).total_seconds()
        record = trace.as_json(draft.engine, draft.outcome, held.cost_of(draft), 1, seconds)
        place = {"assistant_id": assistant.id, "channel": str(Channel.API)}
        self._db.after_commit(lambda: self._spans.tell(story_of(trace, record, place)))

    def _free(self, held: Held) -> None:
        if held.hold_id is not None:
            self._ledger.release(held.hold_id)


def _question(assistant: Assistant, request: CompletionRequest) -> Question:
    return Question(
        assistant_id=assistant.id,
        model=assistant.ai_model,
        system_prompt="\n\n".join(part for part in (assistant.system_prompt, request.instructions) if part),
        not_found_text=assistant.not_found_text,
        welcome_text=assistant.welcome_text,
        threshold=assistant.answer_threshold,
        clarify_threshold=assistant.clarify_threshold,
        text=request.question,
        history=request.history,
        locale=None,
        tenant_id=assistant.user_id,
    )


def _completion(assistant: Assistant, draft: Draft, held: Held) -> Completion:
    return Completion(
        text=draft.text,
        model=f"{_PREFIX}{assistant.id}",
        prompt_tokens=draft.prompt_tokens,
        completion_tokens=draft.completion_tokens,
        price=held.cost_of(draft),
        about={
            "outcome": str(draft.outcome),
            "engine": str(draft.engine),
            "sources": [source.as_json() for source in draft.sources],
        },
    )


def _assistant(actor: Actor, name: str) -> Assistant:
    """An active assistant of the caller's, by `assistant-ID` or by its name."""
    number = name.removeprefix(_PREFIX)
    by_number = name.startswith(_PREFIX) and number.isdecimal() and len(number) < 18
    which = (Assistant.id == int(number)) if by_number else (Assistant.name == name)
    own = (Assistant.user == actor.tenant_id) & Assistant.is_active
    rows: Sequence[Assistant] = list(Assistant.select().where(own & which).limit(2))
    if not rows:
        raise NotFound("Такой модели нет. Все: GET /v1/models", "There is no such model. All of them: GET /v1/models")
    if len(rows) > 1:
        raise ValidationFailed.of("model", "Так называются несколько: дайте id", "Several have this name: give the id")
    return rows[0]


def _model(row: Assistant) -> Json:
    created = int(row.created_at.timestamp())
    return {"id": f"{_PREFIX}{row.id}", "object": "model", "created": created, "owned_by": "replyx", "name": row.name}
