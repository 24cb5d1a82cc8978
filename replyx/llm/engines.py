"""Which engine writes an answer: chosen by the model's name, made when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass

from replyx.clock import Clock, SystemClock
from replyx.config.settings import Config
from replyx.errors import ValidationFailed
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.engine import Engine, EngineRequest, ShouldStop, Usage
from replyx.llm.extractive import ExtractiveEngine
from replyx.llm.shelf import PREFIX, ModelShelf
from replyx.types import EngineName

#: The `ai_model` that needs no model.
EXTRACTIVE = "extractive"


@dataclass(frozen=True)
class EngineOutcome:
    """Who wrote an answer and what it used."""

    engine: EngineName
    usage: Usage


class Engines:
    """All engines of a process behind the model's name."""

    def __init__(self, config: Config, ai_tokens: AiTokens, clock: Clock | None = None) -> None:
        """Nothing is loaded or opened before the first answer that needs it."""
        self.shelf = ModelShelf(config)
        self._config = config
        self._keys = ai_tokens
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._made: dict[EngineName, Engine] = {}

    def engine_of(self, ai_model: str) -> EngineName:
        """The kind of engine that a model's name means."""
        if ai_model == EXTRACTIVE:
            return EngineName.EXTRACTIVE
        return EngineName.LOCAL if ai_model.startswith(PREFIX) else EngineName.REMOTE

    def models(self) -> list[str]:
        """Every name that `ai_model` may have now."""
        return [*sorted(self._keys.models()), *(PREFIX + name for name in self.shelf.names()), EXTRACTIVE]

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
        usage = yield from self._engine(name).stream(request, should_stop)
        return EngineOutcome(name, usage)

    def close(self) -> None:
        """Close connections and let go of a loaded model."""
        with self._lock:
            made, self._made = self._made, {}
        for engine in made.values():
            engine.close()

    def _engine(self, name: EngineName) -> Engine:
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
