"""A true OpenAI-compatible chat server over loopback whose every answer, delay and misbehaviour a test can script.

In a test: `with FakeLLM(Scenario(text="Hello")) as llm: llm.base_url`. As a process: `python -m
replyx.testing.llm_server --port 0` prints `ready http://127.0.0.1:PORT/v1`; POST /_script takes scenarios as JSON,
GET /_requests tells what was asked, GET /_counts how often and what became of it, POST /_reset forgets all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import ssl
import threading
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from replyx.testing.llm_answers import (
    Scenario,
    completion_json,
    default_text,
    embeddings_json,
    error_json,
    obeyed_text,
    rerank_json,
    stream_events,
)

#: Requests that are remembered; older ones are forgotten, so that a benchmark does not fill the memory.
_REMEMBERED = 10_000

_REASONS = {200: "OK", 404: "Not Found", 400: "Bad Request"}


@dataclass(frozen=True)
class SeenRequest:
    """What a client sent to the chat route, and how it took the answer."""

    method: str
    path: str
    key: str
    body: dict[str, Any] = field(repr=False)
    #: Set once the answer was sent whole; stays clear where the client, or the scenario, broke it off.
    finished: list[bool] = field(default_factory=list)

    @property
    def messages(self) -> list[dict[str, str]]:
        messages: list[dict[str, str]] = self.body.get("messages", [])
        return messages

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))


class FakeLLM:
    """The server. Scenarios queue up: each chat request takes the next one, and the standing one when none is left.

    A `mixture` in place of the standing one draws from several, each with its weight. `by_key` gives single API keys a
    standing scenario of their own, which comes before the queue.
    """

    def __init__(
        self,
        standing: Scenario | None = None,
        *,
        models: Sequence[str] = ("fake-model",),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.standing = standing or Scenario()
        self.models = list(models)
        self.mixture: list[tuple[float, Scenario]] = []
        self.dice = random.Random(0)
        self.by_key: dict[str, Scenario] = {}
        #: Chat requests since the start or `reset`, by `Scenario.kind`.
        self.counts: Counter[str] = Counter()
        self.requests: deque[SeenRequest] = deque(maxlen=_REMEMBERED)
        #: Connections that were opened, to see whether clients keep them.
        self.connections = 0
        #: Answers that are being written now.
        self.open_answers = 0
        self.port = 0
        self._tls = tls
        self._queue: deque[Scenario] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """What an AI key's `base_url` is set to."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def script(self, *scenarios: Scenario) -> None:
        """Let the next requests get these scenarios, in this order."""
        self._queue.extend(scenarios)

    def reset(self) -> None:
        """Forget requests, queued scenarios, those of single keys and the mixture."""
        self.requests.clear()
        self.counts.clear()
        self.mixture = []
        self._queue.clear()
        self.by_key.clear()

    def start(self, port: int = 0) -> None:
        """Serve from a thread of its own; returns when requests are accepted. Port 0 takes a free one."""
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self.serve(port, ready)), name="fake-llm", daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the fake LLM did not start")

    def stop(self) -> None:
        """Break off what is being answered and stop."""
        if self._thread is not None and self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)
            self._thread = None

    async def serve(self, port: int, ready: threading.Event | None = None) -> None:
        """Serve in this event loop until `stop`."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # asyncio sets TCP_NODELAY on every TCP connection by itself.
            task = asyncio.ensure_future(self._connection(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", port, backlog=1024, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        if ready is not None:
            ready.set()
        await self._stopping.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            # The client went away or sent no HTTP; either ends the connection.
            writer.transport.abort()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; whether the connection may be used again."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return False
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if path.endswith("/chat/completions") and method == "POST":
            return await self._chat(method, path, headers, body, reader, writer)
        refusal = self.by_key.get(headers.get("authorization", "").removeprefix("Bearer "), Scenario()).status
        is_refused = path == "/v1/models" and refusal != 200
        status, answer = (refusal, error_json("refused", "")) if is_refused else self._other(method, path, body)
        writer.write(_response(status, json.dumps(answer, ensure_ascii=False).encode()))
        await writer.drain()
        return True

    def _other(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if (method, path) == ("GET", "/v1/models"):
            return 200, {"object": "list", "data": [{"id": m, "object": "model"} for m in self.models]}
        if (method, path) == ("POST", "/v1/embeddings"):
            return 200, embeddings_json(json.loads(body))
        if (method, path) == ("POST", "/v1/rerank"):
            return 200, rerank_json(json.loads(body))
        if (method, path) == ("GET", "/_requests"):
            return 200, [{**asdict(r), "messages": r.messages, "finished": bool(r.finished)} for r in self.requests]
        if (method, path) == ("GET", "/_counts"):
            return 200, {**self.counts, "open": self.open_answers}
        if (method, path) == ("POST", "/_reset"):
            self.reset()
            return 200, {}
        if (method, path) == ("POST", "/_script"):
            return self._scripted(body)
        return 404, error_json("not_found", "no such route")

    def _scripted(self, body: bytes) -> tuple[int, Any]:
        """`{"queue": [scenario, …], "standing": scenario, "by_key": {key: scenario}}`, each part optional.

        So are `"mixture": [[weight, scenario], …]` and its `"seed"`.
        """
        try:
            script = json.loads(body)
            queue = [Scenario.from_json(row) for row in script.get("queue", [])]
            by_key = {key: Scenario.from_json(row) for key, row in script.get("by_key", {}).items()}
            standing = Scenario.from_json(script["standing"]) if "standing" in script else self.standing
            mixture = [(float(weight), Scenario.from_json(row)) for weight, row in script.get("mixture", [])]
            dice = random.Random(int(script.get("seed", 0)))
        except (ValueError, TypeError, AttributeError) as error:
            return 400, error_json("bad_script", str(error))
        self.script(*queue)
        self.by_key.update(by_key)
        self.standing = standing
        if "mixture" in script:
            self.mixture, self.dice = mixture, dice
        return 200, {"queued": len(self._queue)}

    async def _chat(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        key = headers.get("authorization", "").removeprefix("Bearer ")
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("messages"), list):
            writer.write(_response(400, json.dumps(error_json("bad_request", "messages are missing")).encode()))
            return True
        seen = SeenRequest(method, path, key, asked)
        self.requests.append(seen)
        scenario = self.by_key.get(key) or (self._queue.popleft() if self._queue else self._next_standing())
        self.counts[scenario.kind] += 1
        self.open_answers += 1
        try:
            again = await _Answer(scenario, asked, writer).send(_gone(reader))
            seen.finished.append(True)
            return again
        finally:
            self.open_answers -= 1

    def _next_standing(self) -> Scenario:
        if not self.mixture:
            return self.standing
        weights, scenarios = zip(*self.mixture, strict=True)
        drawn: Scenario = self.dice.choices(scenarios, weights)[0]
        return drawn


async def _gone(reader: asyncio.StreamReader) -> None:
    """Returns when the client has closed its side."""
    while not reader.at_eof():
        await asyncio.sleep(0.01)


class _Answer:
    """One scenario being played to one client."""

    def __init__(self, scenario: Scenario, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self._scenario = scenario
        self._asked = asked
        self._writer = writer
        self._left = scenario.cut_after

    async def send(self, gone: Any) -> bool:
        """Play it; whether the connection may be used again.

        Raises:
            ConnectionError: the client went away, or the scenario breaks the connection.
        """
        if self._scenario.is_instant:
            gone.close()
            self._writer.write(self._whole())
            await self._writer.drain()
            return True
        playing, leaving = asyncio.ensure_future(self._play()), asyncio.ensure_future(gone)
        try:
            await asyncio.wait((playing, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                raise ConnectionResetError
            return playing.result()
        finally:
            playing.cancel()
            leaving.cancel()

    def _whole(self) -> bytes:
        """An undisturbed answer, head and body, to be written at once."""
        scenario, text = self._scenario, self._text()
        if scenario.status != 200:
            return _response(scenario.status, json.dumps(scenario.error()).encode(), scenario.headers())
        if not self._asked.get("stream"):
            return _response(200, json.dumps(completion_json(text, self._asked, scenario)).encode())
        events = b"".join(stream_events(text, self._asked, scenario))
        return _chunked_head("text/event-stream") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(events), events)

    async def _play(self) -> bool:
        scenario = self._scenario
        await asyncio.sleep(scenario.delay)
        if scenario.silent:
            await asyncio.Event().wait()
        if scenario.status != 200 or not self._asked.get("stream", False):
            await self._write(self._whole())
            return True
        await self._write(_chunked_head(scenario.content_type))
        if scenario.raw is not None:
            events = (
                re.findall(rb".*?\n\n|.+$", scenario.raw, re.DOTALL) if scenario.words_per_second else [scenario.raw]
            )
        else:
            events = list(stream_events(self._text(), self._asked, scenario))
        pause = 1 / scenario.words_per_second if scenario.words_per_second else 0.0
        for number, event in enumerate(events):
            if pause and number:
                await asyncio.sleep(pause)
            await self._chunk(event)
        while scenario.never_ends:
            await self._chunk(scenario.filler)
            await asyncio.sleep(0.005)
        if scenario.hangs_open:
            await asyncio.Event().wait()
        await self._write(b"0\r\n\r\n")
        return True

    async def _chunk(self, data: bytes) -> None:
        if self._left is not None:
            data, self._left = data[: self._left], self._left - len(data)
        if data:
            await self._write(b"%x\r\n%b\r\n" % (len(data), data))
        if self._left is not None and self._left <= 0:
            # Sent what may be sent: then the connection breaks without the body's end.
            raise ConnectionResetError

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def _text(self) -> str:
        if self._scenario.obedient:
            return obeyed_text(self._asked)
        return default_text(self._asked) if self._scenario.text is None else self._scenario.text


def _response(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\nContent-Type: application/json\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _chunked_head(content_type: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n" if content_type else "HTTP/1.1 200 OK\r\n"
    return f"{head}Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server as a process until it is ended."""
    parser = argparse.ArgumentParser(prog="replyx.testing.llm_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--models", default="fake-model", help="names, separated by commas")
    parser.add_argument("--text", help="what every answer says; without it the first passage is quoted")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before the first byte")
    parser.add_argument("--words-per-second", type=float, default=0.0, help="0: at once")
    options = parser.parse_args(arguments)
    standing = replace(Scenario(), text=options.text, delay=options.delay, words_per_second=options.words_per_second)
    llm = FakeLLM(standing, models=options.models.split(","))
    ready = threading.Event()

    async def run() -> None:
        serving = asyncio.ensure_future(llm.serve(options.port, ready))
        while not ready.is_set():
            await asyncio.sleep(0.005)
        print(f"ready {llm.base_url}", flush=True)  # noqa: T201 - the line that a starting script waits for
        await serving

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


if __name__ == "__main__":
    main()
