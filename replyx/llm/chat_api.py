"""One call of an OpenAI-compatible chat API: streamed, bounded in time and size, stoppable at any moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import httpx2

from replyx import __version__
from replyx.clock import Clock
from replyx.llm.completion_reader import BadStream, CompletionReader, error_word, verdict_of
from replyx.llm.engine import ShouldStop, Usage
from replyx.llm.patient_http import GaveUp, OutOfTime, PatientTransport, Watch, watched
from replyx.llm.rate_headers import wait_of
from replyx.llm.views import KeyOutcome, KeyVerdict

#: Seconds for a connection; a server that takes longer will not answer in time either.
_CONNECT_SECONDS = 5.0

#: Seconds that a server has for its closing lines once it gave a finish reason, and to end its body after [DONE].
_AFTER_FINISH, _AFTER_DONE = 2.0, 0.05

#: Seconds between two reads of an answer that has begun. Each piece costs a way through all layers, and nobody sees
#: whether words come twenty-five or fifty times a second.
_DISTANCE = 0.04

#: Bytes of an error's body that are looked at, and of an answer that came in one piece.
_MOST_ERROR, _MOST_BODY = 64 * 1024, 1024 * 1024

#: Words for a provider's account without money.
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")

#: Parameters that some server refuses, and how the call goes on without each: found out once for a model.
_OPTIONAL = ("stream_options", "max_tokens", "temperature")


class ChatFailed(Exception):
    """No whole answer came; `outcome` says what that means for the key. Holds no secret."""

    def __init__(self, outcome: KeyOutcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(frozen=True)
class ChatCall:
    """What is asked of a model. `max_tokens` bounds the answer."""

    model: str
    messages: tuple[dict[str, str], ...]
    max_tokens: int
    temperature: float = 0.2


class ChatApi:
    """Calls chat APIs over one shared pool of connections. Nothing is opened before the first call."""

    def __init__(self, clock: Clock, *, silence_seconds: float) -> None:
        """`silence_seconds` is the longest time without a byte."""
        self._clock = clock
        self._silence = silence_seconds
        self._lock = threading.Lock()
        self._shared: httpx2.Client | None = None
        self._refused: dict[tuple[str, str], frozenset[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; a later call opens new ones."""
        with self._lock:
            client, self._shared = self._shared, None
        if client is not None:
            client.close()

    def stream(
        self, base_url: str, secret: str, call: ChatCall, *, seconds: float, should_stop: ShouldStop = lambda: False
    ) -> Generator[str, None, Usage]:
        """Yield the answer's pieces within `seconds`; return what was used. Ends early once `should_stop()`.

        Raises:
            ChatFailed: no whole answer came.
        """
        now = self._clock.monotonic
        watch = Watch(now, now() + seconds, should_stop)
        reader = CompletionReader(call.max_tokens)
        try:
            response = self._open(base_url, secret, call, watch)
        except GaveUp:
            return reader.usage
        with closing(response), suppress(GaveUp):
            yield from self._pieces(response, reader, watch)
        return reader.usage

    def models(self, base_url: str, secret: str, *, seconds: float) -> frozenset[str] | None:
        """Names of the models that the server offers to this key; None where it has no such list. Costs nothing.

        Raises:
            ChatFailed: it refused, or no answer came within `seconds`.
        """
        now = self._clock.monotonic
        watch = Watch(now, now() + seconds, lambda: False)
        headers = {"Authorization": f"Bearer {secret}", "User-Agent": f"replyx/{__version__}"}
        with self._failures(secret), watched(watch):
            request = self._client().build_request("GET", f"{base_url}/models", headers=headers)
            response = self._client().send(request, stream=True)
        with closing(response), self._failures(secret):
            body = self._body(response.iter_bytes(), watch, _MOST_BODY)
            if response.status_code in (404, 405):
                return None
            if response.status_code != 200:
                raise ChatFailed(self._outcome(response, body, secret))
            return _names(body)

    def _pieces(self, response: httpx2.Response, reader: CompletionReader, watch: Watch) -> Generator[str, None, None]:
        chunks = response.iter_raw()
        if _kind(response) == "application/json":
            with self._failures():
                pieces = reader.whole(self._body(chunks, watch, _MOST_BODY))
            yield from pieces
            return
        while not reader.done:
            pieces = self._next_pieces(chunks, reader, watch)
            if pieces:
                if watch.should_stop():
                    raise GaveUp
                # What was read at once goes on at once: each piece costs a way through all layers.
                yield "".join(pieces)
                watch = replace(watch, distance=_DISTANCE)
        self._drain(chunks)

    def _next_pieces(self, chunks: Iterator[bytes], reader: CompletionReader, watch: Watch) -> list[str]:
        if reader.finished:
            watch = replace(watch, deadline=min(watch.deadline, watch.now() + _AFTER_FINISH))
        try:
            with self._failures(), watched(watch):
                chunk = next(chunks, None)
                return reader.end() if chunk is None else reader.feed(chunk)
        except ChatFailed:
            if not reader.finished:
                raise
            # The model had finished: a broken end of the connection takes nothing from the answer.
            reader.done = True
            return []

    def _drain(self, chunks: Iterator[bytes]) -> None:
        """Read the body's end, which lets the connection be used again; one that does not end is closed."""
        brief = Watch(self._clock.monotonic, self._clock.monotonic() + _AFTER_DONE, lambda: False)
        try:
            with self._failures(), watched(brief):
                next(chunks, None)
        except ChatFailed:
            return

    def _open(self, base_url: str, secret: str, call: ChatCall, watch: Watch) -> httpx2.Response:
        """The response of a call that was accepted; parameters that the server refuses are left out."""
        known = (base_url, call.model)
        while True:
            with self._failures(secret), watched(watch):
                response = self._send(base_url, secret, call, self._refused.get(known, frozenset()))
            if response.status_code == 200:
                if response.headers.get("content-encoding", "identity") == "identity" and _kind(response) in _KINDS:
                    return response
                response.close()
                raise ChatFailed(KeyOutcome(KeyVerdict.TROUBLE, "the answer is of no known form"))
            with closing(response), self._failures(secret):
                body = self._body(response.iter_raw(), watch, _MOST_ERROR, cut=True)
            without = self._refused.get(known, frozenset())
            culprit = _refused_parameter(response.status_code, body, without)
            if culprit is None:
                raise ChatFailed(self._outcome(response, body, secret))
            self._refused[known] = without | {culprit}

    def _send(self, base_url: str, secret: str, call: ChatCall, without: frozenset[str]) -> httpx2.Response:
        client = self._client()
        request = client.build_request(
            "POST",
            f"{base_url}/chat/completions",
            content=json.dumps(_payload(call, without)).encode(),
            headers={
                "Authorization": f"Bearer {secret}",
                "Content-Type": "application/json",
                "Accept": "text/event-stream",
                # Compression would only delay the first words, and hide how large an answer is.
                "Accept-Encoding": "identity",
                "User-Agent": f"replyx/{__version__}",
            },
        )
        return client.send(request, stream=True)

    def _client(self) -> httpx2.Client:
        with self._lock:
            if self._shared is None:
                timeout = httpx2.Timeout(self._silence, connect=min(self._silence, _CONNECT_SECONDS))
                self._shared = httpx2.Client(transport=PatientTransport(), timeout=timeout)
            return self._shared

    def _body(self, chunks: Iterator[bytes], watch: Watch, most: int, *, cut: bool = False) -> bytes:
        body = b""
        with watched(watch):
            for chunk in chunks:
                body += chunk
                if len(body) > most:
                    if cut:
                        return body[:most]
                    raise BadStream("too many bytes")
        return body

    @contextmanager
    def _failures(self, secret: str = "") -> Iterator[None]:
        """Turns everything that a network and a server may do into `ChatFailed`, without its cause: it may quote."""
        try:
            yield
        except BadStream as error:
            raise ChatFailed(KeyOutcome(error.verdict, error.reason)) from None
        except OutOfTime:
            raise ChatFailed(KeyOutcome(KeyVerdict.TROUBLE, "the time for the answer is over")) from None
        except httpx2.ReadTimeout:
            raise ChatFailed(KeyOutcome(KeyVerdict.TROUBLE, f"silent for {self._silence:g} s")) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            text = str(error).replace(secret or "\0", "[secret]").splitlines()
            reason = f"no connection: {text[0] if text else type(error).__name__}"
            raise ChatFailed(KeyOutcome(KeyVerdict.TROUBLE, reason[:150])) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, UnicodeError) as error:
            raise ChatFailed(KeyOutcome(KeyVerdict.TROUBLE, f"broken answer: {type(error).__name__}")) from None

    def _outcome(self, response: httpx2.Response, body: bytes, secret: str) -> KeyOutcome:
        reason = f"{response.status_code} {error_word(body, secret)}".strip()
        # Money that is used up comes as "too many requests", but no waiting brings it back.
        broke = response.status_code == 429 and reason.endswith(_NO_MONEY)
        verdict = KeyVerdict.REFUSED if broke else verdict_of(response.status_code)
        return KeyOutcome(verdict, reason, wait_of(response.headers, self._clock.now()))


def _names(body: bytes) -> frozenset[str] | None:
    """The names in a list of models; None where it is none."""
    with suppress(ValueError, TypeError, KeyError):
        return frozenset(str(row["id"]) for row in json.loads(body)["data"]) or None
    return None


#: What a body may call itself; some servers say nothing.
_KINDS = frozenset({"text/event-stream", "application/json", ""})


def _kind(response: httpx2.Response) -> str:
    kind: str = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind


def _payload(call: ChatCall, without: frozenset[str]) -> dict[str, Any]:
    payload: dict[str, Any] = {"model": call.model, "messages": list(call.messages), "stream": True}
    if "stream_options" not in without:
        payload["stream_options"] = {"include_usage": True}
    payload["max_completion_tokens" if "max_tokens" in without else "max_tokens"] = call.max_tokens
    if "temperature" not in without:
        payload["temperature"] = call.temperature
    return payload


def _refused_parameter(status: int, body: bytes, without: frozenset[str]) -> str | None:
    """The parameter that the server's complaint names, of those that a call can go on without."""
    if status not in (400, 422):
        return None
    return next((name for name in _OPTIONAL if name not in without and name.encode() in body), None)
