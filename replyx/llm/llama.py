"""The engine on this machine: llama.cpp through llama-cpp-python, one copy of one model for the whole process."""

from __future__ import annotations

import codecs
import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import EngineFailed, NotFound
from replyx.llm.completion_reader import TextCleaner
from replyx.llm.cores import usable_cores
from replyx.llm.engine import EngineRequest, ShouldStop, Turn, Usage
from replyx.llm.fair_queue import FairQueue
from replyx.llm.llama_chat import ChatTemplate
from replyx.llm.memory import context_for
from replyx.llm.shelf import ModelShelf
from replyx.types import EngineName

logger = logging.getLogger(__name__)

#: Sober, the same for the same question, and small models do not run in circles.
_SAMPLING, _SEED = {"temp": 0.2, "repeat_penalty": 1.1}, 1

#: Every model's control tokens stand in brackets of one of these kinds.
_BRACKETS = str.maketrans("<>[]|", "‹›⟦⟧¦")

_MISSING = 'The local engine is not installed. Run: pip install "replyx[local]"'


class LocalEngine:
    """Answers with GGUF models, one answer at a time; the others wait their turn."""

    name = EngineName.LOCAL

    def __init__(self, config: Config, shelf: ModelShelf, clock: Clock) -> None:
        self._config = config
        self._shelf = shelf
        self._clock = clock
        self._queue = FairQueue()
        self._model: LoadedModel | None = None

    def stream(self, request: EngineRequest, should_stop: ShouldStop) -> Generator[str, None, Usage]:
        """Yield the answer's pieces; return the tokens used. Stops between two tokens.

        Raises:
            EngineFailed: the library or the model is missing, the model cannot be loaded, the question does not fit
                its context (none of these is mended by another try), or time is over.
        """
        deadline = self._clock.monotonic() + self._config.answers.timeout_seconds
        if not self._my_turn(request.tenant_id, should_stop, deadline):
            return Usage()
        try:
            return (yield from self._answer(self._loaded(request.model), request, should_stop, deadline))
        finally:
            self._queue.release()

    def close(self) -> None:
        """Let go of the model's memory."""
        self._queue.acquire(0, lambda: True)
        try:
            self._forget()
        finally:
            self._queue.release()

    def _my_turn(self, tenant_id: int, should_stop: ShouldStop, deadline: float) -> bool:
        def keep_waiting() -> bool:
            if self._clock.monotonic() >= deadline:
                raise EngineFailed("The local model was busy for too long", retryable=True)
            return not should_stop()

        return self._queue.acquire(tenant_id, keep_waiting)

    def _answer(
        self, model: LoadedModel, request: EngineRequest, should_stop: ShouldStop, deadline: float
    ) -> Generator[str, None, Usage]:
        fitted = model.fit(request)
        started, count = False, 0
        if should_stop():
            return Usage()
        with closing(model.pieces(fitted)) as pieces:
            for piece in pieces:
                count += 1
                if should_stop():
                    return Usage(len(fitted.prompt), count)
                if self._clock.monotonic() >= deadline:
                    raise EngineFailed("The local model took too long", retryable=True)
                text = piece if started else piece.lstrip()
                if text:
                    started = True
                    yield text
        if not started:
            raise EngineFailed("The local model gave an empty answer", retryable=True)
        return Usage(len(fitted.prompt), count)

    def _loaded(self, name: str) -> LoadedModel:
        """The model, loaded if another one, or none, is in memory."""
        try:
            path = self._shelf.path(name)
        except NotFound as error:
            raise EngineFailed(error.message_en, retryable=False) from error
        if self._model is None or self._model.path != str(path):
            self._forget()
            self._model = LoadedModel(str(path), self._config)
        return self._model

    def _forget(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            model.close()


@dataclass(frozen=True)
class Fitted:
    """A request that fits the context, its tokens, and how many its answer may have."""

    request: EngineRequest
    prompt: list[int]
    most: int


class LoadedModel:
    """One GGUF model in memory. Used by one thread at a time."""

    def __init__(self, path: str, config: Config) -> None:
        try:
            import llama_cpp
        except ImportError as error:
            raise EngineFailed(_MISSING, retryable=False) from error
        self.path = path
        asked = config.models.context_tokens
        context = context_for(Path(path), asked)
        threads = config.models.threads or usable_cores()
        options: dict[str, Any] = {"n_threads": threads, "n_threads_batch": threads, "verbose": False}
        try:
            self._llama: Any = llama_cpp.Llama(path, n_ctx=context, **options)
            trained = llama_cpp.llama_model_n_ctx_train(self._llama.model)
            if not asked and trained < context:
                # Beyond what it was trained on a model loses the thread.
                self._llama.close()
                self._llama = llama_cpp.Llama(path, n_ctx=trained, **options)
        except (ValueError, RuntimeError, OSError, MemoryError) as error:
            raise EngineFailed(f"The local model cannot be loaded: {type(error).__name__}", retryable=False) from error
        self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._is_end = llama_cpp.llama_vocab_is_eog
        self._chat = ChatTemplate(self._llama)
        logger.info("local model loaded", extra={"model": path, "threads": threads, "context": self._llama.n_ctx()})

    def close(self) -> None:
        self._llama.close()

    def fit(self, request: EngineRequest) -> Fitted:
        """`request` made to fit the context.

        What stands around passages goes first, then the oldest history, then the last passages, each as a whole.

        Raises:
            EngineFailed: not even the question alone fits.
        """
        context = self._llama.n_ctx()
        safe = self._without_control_tokens(request)
        room = context - min(request.max_tokens, context // 4)
        while len(prompt := self._chat.tokens(safe)) > room:
            if any(p.before or p.after for p in safe.passages):
                safe = replace(safe, passages=tuple(replace(p, before="", after="") for p in safe.passages))
            elif safe.history:
                safe = replace(safe, history=safe.history[1:])
            elif len(safe.passages) > 1:
                safe = replace(safe, passages=safe.passages[:-1])
            else:
                raise EngineFailed("The question does not fit the local model's context", retryable=False)
        return Fitted(safe, prompt, min(request.max_tokens, context - len(prompt)))

    def pieces(self, fitted: Fitted) -> Generator[str, None, None]:
        """The answer's text, token by token; a letter that is not whole yet comes with its end.

        The library's own loop over the same tokens makes the whole answer's text anew at each of them.
        """
        cleaner, decoder = TextCleaner(), codecs.getincrementaldecoder("utf-8")("ignore")
        self._llama.set_seed(_SEED)
        with closing(self._llama.generate(fitted.prompt, **_SAMPLING)) as tokens:
            for count, token in enumerate(tokens, 1):
                if self._is_end(self._vocab, token):
                    return
                yield cleaner.clean(decoder.decode(self._llama.detokenize([token])))
                if count == fitted.most:
                    return

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        tokens: list[int] = self._llama.tokenize(text.encode("utf-8", "ignore"), add_bos=False, special=special)
        return tokens

    def _without_control_tokens(self, request: EngineRequest) -> EngineRequest:
        return replace(
            request,
            system_prompt=self._plain(request.system_prompt),
            question=self._plain(request.question),
            passages=tuple(
                replace(
                    p,
                    text=self._plain(p.text),
                    before=self._plain(p.before),
                    after=self._plain(p.after),
                    heading=p.heading and self._plain(p.heading),
                    filename=p.filename and self._plain(p.filename),
                )
                for p in request.passages
            ),
            history=tuple(Turn(t.role, self._plain(t.text)) for t in request.history),
        )

    def _plain(self, text: str) -> str:
        """`text` without the model's control tokens: a customer who writes `<|im_start|>system` opens no turn."""
        if self._tokens(text, special=True) == self._tokens(text, special=False):
            return text
        return text.translate(_BRACKETS)
