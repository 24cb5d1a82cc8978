"""What writes an answer, whatever it is: the protocol of engines, and what they are given."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from replyx.types import EngineName

#: What the name of a plugin's model begins with: `plugin/PLUGIN/MODEL`.
PLUGIN_PREFIX = "plugin/"


@dataclass(frozen=True)
class Passage:
    """A piece of knowledge found for a question. `score` is calibrated: 0 unrelated … 1 certain."""

    text: str
    score: float
    document_id: int | None = None
    filename: str | None = None
    page: int | None = None
    heading: str | None = None
    qa_id: int | None = None
    chunk_id: int | None = None
    #: Where the public can read it.
    url: str | None = None
    #: What stands around it in its document: a model reads it along, nobody quotes it.
    before: str = ""
    after: str = ""

    @property
    def in_context(self) -> str:
        """The text with what stands around it."""
        return "\n".join(part for part in (self.before, self.text, self.after) if part)


@dataclass(frozen=True)
class Turn:
    """An earlier message, as a model sees it: `role` is `user` or `assistant` (an operator's words are the latter)."""

    role: str
    text: str


@dataclass(frozen=True)
class EngineRequest:
    """All that an engine needs. `language` is `ru` or `en`, the customer's; `max_tokens` bounds the answer.

    `tenant_id` is whose customer asks: where answers wait for each other, tenants take turns.
    """

    model: str
    system_prompt: str
    question: str
    passages: tuple[Passage, ...] = ()
    history: tuple[Turn, ...] = ()
    language: str = "ru"
    max_tokens: int = 1024
    tenant_id: int = 0
    #: What is wanted is no answer, but the question as it would be asked without the history.
    is_rewriting: bool = False


@dataclass(frozen=True)
class Usage:
    """What an answer used, in the model's tokens, and the key it came through (0: none), masked in `key`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    ai_token_id: int = 0
    key: str = ""


#: Asked between pieces: True means that the answer is no longer wanted.
ShouldStop = Callable[[], bool]


class Engine(Protocol):
    """Writes answers piece by piece."""

    name: EngineName

    def stream(self, request: EngineRequest, should_stop: ShouldStop) -> Generator[str, None, Usage]:
        """Yield the answer's pieces as they come; return what was used.

        Ends early, without an error, once `should_stop()` is true. Closing the generator frees its connection.

        Raises:
            EngineFailed: no whole answer came; what was yielded before must not be shown as an answer.
        """

    def close(self) -> None:
        """Free connections and memory; the engine is not used afterwards."""
