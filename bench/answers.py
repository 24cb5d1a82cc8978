"""What ReplyX adds to an answer: time to the first token, answers a second; each beside the bare engine."""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from bench.installation import Installation, installation
from bench.table import Row
from tests.support.documents import faq_pdf
from tests.support.http import Socket

#: Words that make each question a new one, so that nothing is answered from a cache.
_ASKED = "Какие архитектуры поддерживает Debian, и как его установить? Вопрос номер {n}"
_DIALOGS = 16

#: An engine at the pace of a fast model, and one that takes no time, which shows what our own work costs.
_WORDS_A_SECOND = 240
_ANSWER = " ".join(["слово"] * 60)
_PACED = ("paced", f"60 words at {_WORDS_A_SECOND}/s", "≥ 0.6 of the engine")
_INSTANT = ("instant", "an engine that takes no time", "")


def run(*, quick: bool) -> list[Row]:
    """The two figures, on a running `replyx up` with the Debian FAQ as knowledge and an engine that answers at once."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replyx-bench-")))
        here = stack.enter_context(installation(folder))
        url = stack.enter_context(here.engine())
        here.speak_through(url, "instant")
        here.teach(faq_pdf("ru"), faq_pdf("en"))
        rounds, seconds = (60, 4.0) if quick else (300, 15.0)
        pace = stack.enter_context(here.engine("--words-per-second", str(_WORDS_A_SECOND), "--text", _ANSWER))
        first, atonce = _first_token(here, url, rounds), _rate(here, url, seconds, _INSTANT)
        here.speak_through(pace, "paced")
        return [*first, _rate(here, pace, seconds, _PACED), atonce]


def _first_token(here: Installation, url: str, rounds: int) -> list[Row]:
    ours, direct = [], []
    with here.visitor() as socket, _client(url) as client:
        for n in range(rounds + 10):
            # Turn and turn about, so that both meet the same machine.
            a, b = _ask(socket, n), _ask_engine(client, n)
            if n >= 10:
                ours.append(a)
                direct.append(b)
    added = [a - statistics.median(direct) for a in ours]
    floor = statistics.median(direct) * 1000
    p50 = statistics.median(added) * 1000
    p99 = statistics.quantiles(added, n=100)[98] * 1000
    return [
        Row("added time to first token, median", p50, "ms", floor=floor, goal="≤ 10 ms", is_met=p50 <= 10),
        Row("added time to first token, p99", p99, "ms", floor=floor, goal="≤ 40 ms", is_met=p99 <= 40),
    ]


def _rate(here: Installation, url: str, seconds: float, engine: tuple[str, str, str]) -> Row:
    model, pace, goal = engine

    @contextmanager
    def through_us() -> Iterator[Callable[[int], object]]:
        with here.visitor() as socket:
            yield lambda n: _ask(socket, n)

    @contextmanager
    def directly() -> Iterator[Callable[[int], object]]:
        with _client(url) as client:
            yield lambda n: _ask_engine(client, n, model)

    direct = _answers_a_second(directly, seconds)
    ours = _answers_a_second(through_us, seconds)
    ratio = ours / direct
    name = f"answers a second, {_DIALOGS} dialogs, {pace}"
    return Row(name, ours, "1/s", floor=direct, ratio=ratio, goal=goal, is_met=ratio >= 0.6 if goal else None)


def _answers_a_second(speaker: Callable[[], object], seconds: float) -> float:
    done = [0] * _DIALOGS
    failures: list[BaseException] = []
    barrier = threading.Barrier(_DIALOGS + 1)

    def talk(which: int) -> None:
        try:
            with speaker() as ask:  # type: ignore[attr-defined]
                ask(which)
                barrier.wait(60)
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    ask(which * 100_000 + done[which])
                    done[which] += 1
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=talk, args=(which,)) for which in range(_DIALOGS)]
    for thread in threads:
        thread.start()
    barrier.wait(60)
    start = time.monotonic()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(done) / (time.monotonic() - start)


def _ask(socket: Socket, n: int) -> float:
    """Seconds from the question's frame to the first delta; returns when the whole answer is there."""
    start = time.perf_counter()
    socket.send({"type": "send_message", "text": _ASKED.format(n=n)})
    first = 0.0
    while True:
        frame = socket.next(30)
        if frame["type"] == "message_delta" and not first:
            first = time.perf_counter() - start
        if frame["type"] == "new_message" and frame["message"]["sender"] == "assistant":
            if frame["message"]["engine"] != "remote":
                raise RuntimeError(f"the engine did not speak: {frame['message']}")
            socket.frames.clear()
            return first


def _client(url: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, headers={"Authorization": "Bearer sk-bench-0123456789"}, trust_env=False)


def _ask_engine(client: httpx2.Client, n: int, model: str = "instant") -> float:
    """The same from the engine itself, with a bare client."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": _ASKED.format(n=n)}]}
    start = time.perf_counter()
    first = 0.0
    with client.stream("POST", "/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            choices = json.loads(line[6:]).get("choices") or [{}]
            if not first and choices[0].get("delta", {}).get("content"):
                first = time.perf_counter() - start
    return first
