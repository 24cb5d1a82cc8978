"""Which engine writes an answer: chosen by the model's name, made when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from replyx.clock import Clock, SystemClock
from replyx.config.settings import Config
from replyx.errors import EngineFailed, ValidationFailed
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.engine import PLUGIN_PREFIX, Engine, EngineRequest, ShouldStop, Usage
from replyx.llm.extractive import ExtractiveEngine
from replyx.llm.leak import LeakGuard
from replyx.llm.privacy import Masks
from replyx.llm.prompt import fit_history, instructions
from replyx.llm.shelf import PREFIX, ModelShelf
from replyx.types import EngineName

#: The `ai_model` that needs no model.
EXTRACTIVE = "extractive"


@dataclass(frozen=True)
class EngineOutcome:
    """Who wrote an answer and what it used."""

    engine: EngineName
    usage: Usage
    #: Whether words of the instructions had to be cut from it.
    leaked: bool = False


class Engines:
    """All engines of a process behind the model's name."""

    def __init__(
        self,
        config: Config,
        ai_tokens: AiTokens,
        clock: Clock | None = None,
        offered: Mapping[str, Engine] = MappingProxyType({}),
    ) -> None:
        """`offered` are engines of plugins by the model's name. Nothing is loaded before the first answer needs it."""
        self.shelf = ModelShelf(config)
        self._config = config
        self._keys = ai_tokens
        self._clock = clock or SystemClock()
        self._offered = offered
        self._lock = threading.Lock()
        self._made: dict[EngineName, Engine] = {}

    def engine_of(self, ai_model: str) -> EngineName:
        """The kind of engine that a model's name means."""
        if ai_model == EXTRACTIVE:
            return EngineName.EXTRACTIVE
        if ai_model.startswith(PLUGIN_PREFIX):
            return EngineName.PLUGIN
        return EngineName.LOCAL if ai_model.startswith(PREFIX) else EngineName.REMOTE

    def models(self) -> list[str]:
        """Every name that `ai_model` may have now."""
        local = (PREFIX + name for name in self.shelf.names())
        return [*sorted(self._keys.models()), *local, *self._offered, EXTRACTIVE]

    def check_model(self, ai_model: str) -> None:
        """Refuse a model that nothing here can run.

        Raises:
            ValidationFailed: field `ai_model`, with the names that are allowed.
        """
        allowed = self.models()
        if ai_model not in allowed:
            names = ", ".join(allowed)
            raise ValidationFailed.of(
                "ai_model", f"Такой модели нет. Есть: {names}", f"Unknown model. There are: {names}"
            )

    def default_model(self) -> str:
        """The model of a new assistant: the first of the key that is used first, else the one that needs no key."""
        return self._keys.default_model() or EXTRACTIVE

    def stream(self, request: EngineRequest, should_stop: ShouldStop) -> Generator[str, None, EngineOutcome]:
        """Yield the answer's pieces; return which engine wrote it and what it used.

        Ends early, without an error, once `should_stop()`; closing the generator frees what it holds.

        Raises:
            EngineFailed: no whole answer came; what was yielded before must not be shown as an answer.
        """
        name = self.engine_of(request.model)
        engine = self._engine(name, request.model)
        if name is EngineName.EXTRACTIVE:
            return EngineOutcome(name, (yield from engine.stream(request, should_stop)))
        settings = self._config.answers
        fitted = replace(request, history=fit_history(request.history, settings.history_tokens))
        masks = Masks() if name in (EngineName.REMOTE, EngineName.PLUGIN) and settings.mask_personal_data else None
        guard = LeakGuard(instructions(request) if settings.hide_instructions else (), _public(fitted))
        stream = engine.stream(masks.mask(fitted) if masks else fitted, should_stop)
        usage = yield from _filtered(stream, masks, guard)
        return EngineOutcome(name, usage, guard.leaked)

    def last_resorts(self, ai_model: str) -> list[str]:
        """Models that may answer where `ai_model` does not, in the order of preference."""
        asked = self._config.models.last_resort
        if asked == "none" or ai_model == EXTRACTIVE:
            return []
        chosen = [asked]
        if asked == "auto":
            # A model that came with a package may be there for tests only: nobody chose it.
            chosen = [PREFIX + name for name in self.shelf.own_names()[:1]]
        return [model for model in dict.fromkeys([*chosen, EXTRACTIVE]) if model != ai_model]

    def close(self) -> None:
        """Close connections and let go of a loaded model."""
        with self._lock:
            made, self._made = self._made, {}
        for engine in (*made.values(), *self._offered.values()):
            engine.close()

    def _engine(self, name: EngineName, model: str) -> Engine:
        if name is EngineName.PLUGIN:
            if model not in self._offered:
                raise EngineFailed(f"No plugin offers {model}. See: replyx plugins list", retryable=False)
            return self._offered[model]
        with self._lock:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def _make(self, name: EngineName) -> Engine:
        if name is EngineName.REMOTE:
            from replyx.llm.remote import RemoteEngine

            return RemoteEngine(self._config, self._keys, self._clock)
        if name is EngineName.LOCAL:
            from replyx.llm.llama import LocalEngine

            return LocalEngine(self._config, self.shelf, self._clock)
        return ExtractiveEngine()


def _public(request: EngineRequest) -> list[str]:
    """What an answer may quote: the passages, and what the customer has seen."""
    return [p.in_context for p in request.passages] + [turn.text for turn in request.history] + [request.question]


def _filtered(
    stream: Generator[str, None, Usage], masks: Masks | None, guard: LeakGuard
) -> Generator[str, None, Usage]:
    """The stream's pieces with the customer's data put back and the instructions cut out."""
    try:
        while True:
            piece = next(stream)
            shown = guard.feed(masks.restore(piece) if masks else piece)
            if shown:
                yield shown
    except StopIteration as end:
        rest = guard.feed(masks.end() if masks else "") + guard.end()
        if rest:
            yield rest
        usage: Usage = end.value
        return usage
    finally:
        stream.close()
