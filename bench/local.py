"""The local engine beside its library: tokens a second, the first token, the second turn; the parallel server."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import httpx2

from bench.table import Row
from replyx.clock import SystemClock
from replyx.config.loading import load_config
from replyx.llm.engine import EngineRequest, Passage, Turn
from replyx.llm.llama import LocalEngine
from replyx.llm.prompt import build_messages
from replyx.llm.shelf import ModelShelf

_MODEL = "local/smollm2-135m"
_SLOTS = 4


def run(*, quick: bool) -> list[Row]:
    """Turn and turn about on the same model file; of each the best round counts, which other work disturbed least."""
    rounds, tokens = (5, 48) if quick else (15, 128)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="replyx-bench-"))
        config = load_config(None, {"REPLYX_DATA_DIR": folder, "REPLYX_MODELS__CONTEXT_TOKENS": "2048"})
        shelf = ModelShelf(config)
        engine = LocalEngine(config, shelf, SystemClock())
        stack.callback(engine.close)
        library = _library(str(shelf.path(_MODEL)), config.models.threads)
        stack.callback(library.close)
        list(engine.stream(_request(0, 8), lambda: False))
        return [
            *_beside(engine, library, rounds, tokens),
            _second_turn(engine, rounds, passages=0),
            _second_turn(engine, rounds, passages=4),
            *_parallel(str(shelf.path(_MODEL)), rounds, tokens),
        ]


def _beside(engine: LocalEngine, library: Any, rounds: int, tokens: int) -> list[Row]:
    ours, theirs = [], []
    for n in range(rounds):
        request = _request(n + 1, tokens)

        def measure_ours(request: EngineRequest = request) -> None:
            ours.append(_timed(engine.stream(request, lambda: False)))

        def measure_theirs(request: EngineRequest = request) -> None:
            theirs.append(_timed(_library_pieces(library, request)))

        # Who goes second finds a warmer machine.
        for measure in (measure_ours, measure_theirs) if n % 2 else (measure_theirs, measure_ours):
            measure()
    our_rate, their_rate = (max(rate for _, rate in group) for group in (ours, theirs))
    our_first, their_first = (min(first for first, _ in group) * 1000 for group in (ours, theirs))
    rate, first = our_rate / their_rate, our_first / their_first
    return [
        Row("local tokens a second", our_rate, "1/s", their_rate, rate, "≥ 0.97", rate >= 0.97),
        Row("local first token of a short question", our_first, "ms", their_first, first, "≤ 1.1", first <= 1.1),
    ]


def _second_turn(engine: LocalEngine, rounds: int, passages: int) -> Row:
    """The assistant's instructions are long; passages, where there are some, are others at the second turn."""
    firsts, seconds = [], []
    system = "You are the support of Acme, a shop that sells kettles and boilers. " * 12
    for n in range(rounds):
        asked = EngineRequest(
            _MODEL, f"{n}{passages}. {system}", f"What of kettle {n}?", _passages(2 * n, passages), (), "en", 8
        )
        again = replace(
            asked,
            question="And when?",
            passages=_passages(2 * n + 1, passages),
            history=(Turn("user", asked.question), Turn("assistant", "It depends.")),
        )
        firsts.append(_timed(engine.stream(asked, lambda: False))[0])
        seconds.append(_timed(engine.stream(again, lambda: False))[0])
    turn = min(seconds) / min(firsts)
    if passages:
        # They stand behind the history and have to be read: nothing is promised of them.
        return Row(f"the same with {passages} other passages", turn, "")
    return Row("second turn's first token, of the first's", turn, "", goal="≤ 0.3", is_met=turn <= 0.3)


def _passages(n: int, count: int) -> tuple[Passage, ...]:
    return tuple(Passage(f"Of {n}.{i}: " + "a kettle boils water and is kept dry. " * 12, 0.9) for i in range(count))


def _parallel(path: str, rounds: int, tokens: int) -> list[Row]:
    ones, fours = [], []
    with _server(path) as url:
        _speak(url, 1, tokens)
        for _ in range(rounds):
            ones.append(_speak(url, 1, tokens))
            fours.append(_speak(url, _SLOTS, tokens))
    value, floor = max(fours), max(ones)
    ratio, goal = value / floor, "≥ 1.5 of one"
    return [Row("four dialogs at once on models serve", value, "1/s", floor, ratio, goal, ratio >= 1.5)]


def _request(n: int, tokens: int) -> EngineRequest:
    return EngineRequest(
        _MODEL, f"{n}. You are the support of Acme.", f"Tell a long story about kettle {n}.", (), (), "en", tokens
    )


def _library(path: str, threads: int) -> Any:
    import os

    import llama_cpp

    count = threads or len(os.sched_getaffinity(0))
    return llama_cpp.Llama(path, n_ctx=2048, n_threads=count, n_threads_batch=count, verbose=False)


def _library_pieces(library: Any, request: EngineRequest) -> Iterator[str]:
    options = {"temperature": 0.2, "seed": 1, "repeat_penalty": 1.1, "max_tokens": request.max_tokens}
    for chunk in library.create_chat_completion(build_messages(request), stream=True, **options):
        text = chunk["choices"][0].get("delta", {}).get("content")
        if text:
            yield text


def _timed(pieces: Iterator[str]) -> tuple[float, float]:
    """Seconds to the first piece, and pieces a second after it."""
    start = time.perf_counter()
    next(pieces)
    first = time.perf_counter()
    count = sum(1 for _ in pieces)
    return first - start, count / max(time.perf_counter() - first, 1e-9)


@contextmanager
def _server(path: str) -> Iterator[str]:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_parallel, params.n_ctx = path, _SLOTS, 2048 * _SLOTS
    params.ui, params.verbosity = False, -1
    server = xllamacpp.Server(params)
    yield server.listening_address


def _speak(url: str, dialogs: int, tokens: int) -> float:
    """Tokens a second of so many dialogs together."""
    counts: list[int] = []

    def ask(n: int) -> None:
        body = {
            "messages": [{"role": "user", "content": f"Tell a long story about kettle {n}."}],
            "max_tokens": tokens,
            "ignore_eos": True,
        }
        with httpx2.Client(trust_env=False, timeout=300) as client:
            counts.append(client.post(f"{url}/v1/chat/completions", json=body).json()["usage"]["completion_tokens"])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(dialogs)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)
