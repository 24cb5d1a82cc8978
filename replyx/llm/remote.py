"""The engine behind the pool of AI keys: an OpenAI-compatible API, another key before the first word if one fails."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator
from dataclasses import replace

from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import EngineFailed
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.chat_api import ChatApi, ChatCall, ChatFailed
from replyx.llm.engine import EngineRequest, ShouldStop, Usage
from replyx.llm.prompt import build_messages
from replyx.llm.views import KeyOutcome, KeyVerdict, ReservedKey
from replyx.types import EngineName

logger = logging.getLogger(__name__)


class RemoteEngine:
    """Answers through the pool. One connection pool for the process; close it when the process ends."""

    name = EngineName.REMOTE

    def __init__(self, config: Config, keys: AiTokens, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._seconds = config.answers.timeout_seconds
        #: Seconds after which no further key is tried: a customer waits.
        self._patience = min(self._seconds, 2 * config.answers.first_byte_seconds)
        self._api = ChatApi(clock, silence_seconds=config.answers.first_byte_seconds)

    def stream(self, request: EngineRequest, should_stop: ShouldStop) -> Generator[str, None, Usage]:
        """Yield the answer's pieces; return the tokens used and the key.

        A key that fails before the first piece is followed by the next one, never by itself.

        Raises:
            EngineFailed: no key gave a whole answer in time; `retry_after` says when one may be used again.
        """
        call = ChatCall(request.model, tuple(build_messages(request)), request.max_tokens)
        start = self._clock.monotonic()
        tried: dict[int, KeyOutcome] = {}
        while not should_stop():
            passed = self._clock.monotonic() - start
            left = self._seconds - passed
            key = self._keys.reserve(request.model, exclude=tried.keys()) if passed < self._patience else None
            if key is None:
                raise self._failure(request.model, tried)
            attempt = _Attempt(self._api, key, call)
            try:
                usage = yield from attempt.stream(left, should_stop)
                (self._keys.settle if attempt.started else self._keys.abandon)(key)
                return replace(usage, ai_token_id=key.id, key=key.masked)
            except GeneratorExit:
                self._keys.abandon(key)
                raise
            except ChatFailed as failure:
                self._keys.report(key, failure.outcome)
                logger.info("a key gave no answer", extra={"ai_token_id": key.id, "reason": failure.outcome.reason})
                if attempt.started:
                    raise EngineFailed(f"The answer broke off: {failure.outcome.reason}", retryable=True) from None
                tried[key.id] = failure.outcome
        return Usage()

    def close(self) -> None:
        """Close idle connections."""
        self._api.close()

    def _failure(self, model: str, tried: dict[int, KeyOutcome]) -> EngineFailed:
        rest = self._keys.rest_of(model)
        reasons = ", ".join(dict.fromkeys(outcome.reason for outcome in tried.values()))
        if rest is not None:
            text = f"No AI key of {model} is ready" + (f": {reasons}" if reasons else "")
            return EngineFailed(text, retryable=True, retry_after=max(1, math.ceil(rest)))
        if any(outcome.verdict is KeyVerdict.TROUBLE for outcome in tried.values()):
            return EngineFailed(f"No AI key of {model} answered: {reasons}", retryable=True)
        if reasons:
            return EngineFailed(
                f"No AI key of {model} may be used: {reasons}. See: replyx tokens list", retryable=False
            )
        if model in self._keys.models():
            return EngineFailed(f"Every AI key of {model} is at its limit. See: replyx tokens list", retryable=False)
        return EngineFailed(f"No active AI key has the model {model}. Run: replyx tokens add", retryable=False)


class _Attempt:
    """One call on one key. `started`: a piece of the answer went out, so no other key may answer."""

    def __init__(self, api: ChatApi, key: ReservedKey, call: ChatCall) -> None:
        self._api = api
        self._key = key
        self._call = call
        self.started = False

    def stream(self, seconds: float, should_stop: ShouldStop) -> Generator[str, None, Usage]:
        pieces = self._api.stream(
            self._key.base_url, self._key.secret, self._call, seconds=seconds, should_stop=should_stop
        )
        try:
            while True:
                piece = next(pieces)
                # Space before the first word says nothing: it neither starts the answer nor makes it one.
                piece = piece if self.started else piece.lstrip()
                if piece:
                    self.started = True
                    yield piece
        except StopIteration as end:
            if not self.started and not should_stop():
                raise ChatFailed(KeyOutcome(KeyVerdict.TROUBLE, "an empty answer")) from None
            usage: Usage = end.value
            return usage
        finally:
            pieces.close()
