"""The local engine beside its library: tokens a second, the first token, the second turn; the parallel server."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2

from bench.table import Row
from replyx.clock import SystemClock
from replyx.config.loading import load_config
from replyx.llm.engine import EngineRequest, Turn
from replyx.llm.llama import LocalEngine
from replyx.llm.prompt import build_messages
from replyx.llm.shelf import ModelShelf

_MODEL = "local/smollm2-135m"
_SLOTS = 4


def run(*, quick: bool) -> list[Row]:
    """Turn and turn about on the same model file, so that both meet the same machine; medians of ratios."""
    rounds, tokens = (3, 48) if quick else (9, 128)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="replyx-bench-"))
        config = load_config(None, {"REPLYX_DATA_DIR": folder, "REPLYX_MODELS__CONTEXT_TOKENS": "2048"})
        shelf = ModelShelf(config)
        engine = LocalEngine(config, shelf, SystemClock())
        stack.callback(engine.close)
        library = _library(str(shelf.path(_MODEL)), config.models.threads)
        stack.callback(library.close)
        list(engine.stream(_request(0, 8), lambda: False))
        return [*_beside(engine, library, rounds, tokens), *_parallel(str(shelf.path(_MODEL)), rounds, tokens)]


def _beside(engine: LocalEngine, library: Any, rounds: int, tokens: int) -> list[Row]:
    ours, theirs, second = [], [], []
    for n in range(rounds):
        request = _request(n + 1, tokens)
        ours.append(_timed(engine.stream(request, lambda: False)))
        theirs.append(_timed(_library_pieces(library, request)))
        first_turn = ours[-1][0]
        again = EngineRequest(
            _MODEL,
            request.system_prompt,
            "And when?",
            history=(Turn("user", request.question), Turn("assistant", "It depends.")),
            language="en",
            max_tokens=8,
        )
        second.append(_timed(engine.stream(again, lambda: False))[0] / first_turn)
    rate = statistics.median(a[1] / b[1] for a, b in zip(ours, theirs, strict=True))
    first = statistics.median(a[0] / b[0] for a, b in zip(ours, theirs, strict=True))
    turn = statistics.median(second)
    our_rate, their_rate = (statistics.median(x[1] for x in group) for group in (ours, theirs))
    our_first, their_first = (statistics.median(x[0] for x in group) * 1000 for group in (ours, theirs))
    return [
        Row("local tokens a second", our_rate, "1/s", their_rate, rate, "≥ 0.97", rate >= 0.97),
        Row("local first token", our_first, "ms", their_first, first, "≤ 1.1", first <= 1.1),
        Row("second turn's first token, of the first's", turn, "", goal="≤ 0.3", is_met=turn <= 0.3),
    ]


def _parallel(path: str, rounds: int, tokens: int) -> list[Row]:
    ratios, ones, fours = [], [], []
    with _server(path) as url:
        _speak(url, 1, tokens)
        for _ in range(rounds):
            ones.append(_speak(url, 1, tokens))
            fours.append(_speak(url, _SLOTS, tokens))
            ratios.append(fours[-1] / ones[-1])
    ratio = statistics.median(ratios)
    goal = "≥ 1.5 of one"
    value, floor = statistics.median(fours), statistics.median(ones)
    return [Row("four dialogs at once on models serve", value, "1/s", floor, ratio, goal, ratio >= 1.5)]


def _request(n: int, tokens: int) -> EngineRequest:
    system = "You are the support of Acme, a shop that sells kettles and boilers. " * 12
    return EngineRequest(
        _MODEL, f"{n}. {system}", f"Tell a long story about kettle {n}.", language="en", max_tokens=tokens
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
