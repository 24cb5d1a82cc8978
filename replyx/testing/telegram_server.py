"""A true Telegram Bot API server over loopback: offsets, long polls, webhooks, chats, files, and faults as asked for.

In a test: `with FakeTelegram() as telegram: bot = telegram.add_bot(); bot.message(42, "Hello")`, with `bots.api_base`
set to `telegram.base_url`. As a process: `python -m replyx.testing.telegram_server --port 0` prints `ready URL`;
`telegram_control.py` says what it takes under `/_control/`.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from replyx.testing.telegram_bots import Call, FakeBot
from replyx.testing.telegram_control import control
from replyx.testing.telegram_faults import Fault, Refusal
from replyx.testing.telegram_methods import call_method, updates_wanted
from replyx.testing.telegram_requests import HttpRequest, json_response, read_request, response
from replyx.testing.telegram_webhooks import deliver

#: Calls that are remembered; older ones are forgotten.
_REMEMBERED = 200_000


class FakeTelegram:
    """The server. Its bots may be spoken to from any thread; `lock` is held while a request changes something."""

    def __init__(self) -> None:
        self.bots: dict[int, FakeBot] = {}
        #: Looked at from first to last; finished ones stay.
        self.faults: list[Fault] = []
        self.calls: deque[Call] = deque(maxlen=_REMEMBERED)
        #: Messages a second: in one chat, and over all chats of a bot. More are answered with 429. None: no limit.
        self.chat_rate: int | None = None
        self.bot_rate: int | None = None
        self.port = 0
        self.lock = threading.RLock()
        self._news = threading.Condition(self.lock)
        self._by_token: dict[str, FakeBot] = {}
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._posting: dict[int, asyncio.Task[None]] = {}
        self._sent: dict[tuple[int, int | None], deque[float]] = {}
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
        """What `bots.api_base` is set to."""
        return f"http://127.0.0.1:{self.port}"

    def add_bot(self, token: str | None = None, username: str | None = None) -> FakeBot:
        """A bot; without a token it gets one that looks like a real one."""
        with self.lock:
            number = int(token.split(":")[0]) if token else 1_000_000_001 + len(self.bots)
            token = token or f"{number}:AAF{number:032d}"
            bot = FakeBot(number, token, username or f"fake_{number}_bot", self.lock, self._on_update)
            self.bots[number] = self._by_token[token] = bot
            return bot

    def add_fault(self, fault: Fault) -> Fault:
        """Let requests meet it from now on."""
        with self.lock:
            self.faults.append(fault)
        return fault

    def remove_fault(self, fault: Fault) -> None:
        """It is over."""
        with self.lock:
            self.faults.remove(fault)

    def log(self, chat_id: int | None = None, method: str | None = None, *, bot_id: int | None = None) -> list[Call]:
        """The calls, in the order in which they were taken; of one chat, one method, one bot where those are given."""
        with self.lock:
            return [
                call
                for call in self.calls
                if chat_id in (None, call.chat_id)
                and (method is None or call.method.lower() == method.lower())
                and bot_id in (None, call.bot_id)
            ]

    def is_polled(self, bot: FakeBot) -> bool:
        """Whether somebody waits for the bot's updates now."""
        return bot.id in self._waiting

    def texts(self, chat_id: int) -> list[str]:
        """What bots have said in the chat, in this order: also what its sender does not know it did."""
        return [str(c.parameters.get("text", "")) for c in self.log(chat_id, "sendMessage") if c.had_effect]

    def wait(self, condition: Callable[[], Any], seconds: float = 10.0) -> Any:
        """What `condition` answers as soon as it is true; it is asked after each request and update.

        Raises:
            TimeoutError: it stayed false.
        """
        with self._news:
            if not self._news.wait_for(condition, seconds):
                raise TimeoutError("the condition did not come true")
            return condition()

    def start(self, port: int = 0) -> None:
        """Serve from a thread of its own; returns when requests are accepted. What was there before `stop` still is."""
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self.serve(port, ready)), name="fake-telegram", daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the fake Telegram did not start")

    def stop(self) -> None:
        """Break off what is being answered and refuse connections."""
        if self._thread is not None and self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)
            self._thread = None

    async def serve(self, port: int, ready: threading.Event | None = None) -> None:
        """Serve in this event loop until `stop`."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connection(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", port, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        if ready is not None:
            ready.set()
        await self._stopping.wait()
        server.close()
        for task in (*tasks, *self._posting.values()):
            task.cancel()
        await asyncio.gather(*tasks, *self._posting.values(), return_exceptions=True)
        self._posting.clear()
        self._waiting.clear()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await read_request(reader)) is not None:
                writer.write(await self._answer(request, reader))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            # The client went away, sent no HTTP, or a fault cuts the connection.
            writer.transport.abort()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, request: HttpRequest, reader: asyncio.StreamReader) -> bytes:
        """The bytes to send.

        Raises:
            ConnectionResetError: a fault cuts the connection.
        """
        if request.path.startswith("/_control/"):
            status, value = control(self, request)
            return json_response(status, value)
        is_file = request.path.startswith("/file/bot")
        token, _, rest = request.path.removeprefix("/file").removeprefix("/bot").partition("/")
        bot = self._by_token.get(token)
        method = "file" if is_file else rest
        fault = self._fault(method, bot, request)
        if fault is not None and fault.action == "hang":
            await asyncio.Event().wait()
        if fault is not None and fault.action == "delay":
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.action == "body":
            self._note(bot, method, request, fault.status, "answered", None)
            return response(fault.status, fault.body, fault.headers)
        if fault is not None and fault.action == "cut":
            self._note(bot, method, request, 0, "cut", None)
            raise ConnectionResetError
        if fault is not None and fault.action == "error":
            return self._refused(bot, method, request, fault.refusal())
        try:
            answer = await self._done(bot, method, rest, request, reader, fault)
        except Refusal as refusal:
            return self._refused(bot, method, request, refusal)
        if fault is not None and fault.action == "effect_then_cut":
            raise ConnectionResetError
        if fault is not None and fault.action == "effect_then_error":
            return json_response(fault.status, fault.refusal().as_json())
        return answer

    async def _done(
        self,
        bot: FakeBot | None,
        method: str,
        rest: str,
        request: HttpRequest,
        reader: asyncio.StreamReader,
        fault: Fault | None,
    ) -> bytes:
        """Do what was asked, note it, and render the answer."""
        if bot is None or bot.is_revoked:
            raise Refusal(401, "Unauthorized")
        if method == "file":
            return self._download(bot, rest, request)
        if method.lower() == "getupdates":
            result = await self._updates(bot, request, reader)
            self._note(bot, method, request, 200, "answered", None)
            return json_response(200, {"ok": True, "result": result})
        with self.lock:
            if method.lower() in ("sendmessage", "sendphoto", "senddocument"):
                self._keep_rates(bot, request.parameters.get("chat_id"))
            result = call_method(bot, method, request.parameters, request.files)
            message_id = result.get("message_id") if isinstance(result, dict) else None
            cut = fault is not None and fault.action.startswith("effect_then")
            self._note(bot, method, request, 200, "cut after" if cut else "answered", message_id)
        if method.lower() in ("setwebhook", "deletewebhook"):
            self._end_poll(bot)
            self._on_update(bot)
        return json_response(200, {"ok": True, "result": result})

    def _download(self, bot: FakeBot, path: str, request: HttpRequest) -> bytes:
        content = next((content for known, content in bot.files.values() if known == path), None)
        if content is None:
            raise Refusal(404, "Not Found: file not found")
        self._note(bot, "file", request, 200, "answered", None)
        return response(200, content, {"Content-Type": "application/octet-stream"})

    async def _updates(self, bot: FakeBot, request: HttpRequest, reader: asyncio.StreamReader) -> list[dict[str, Any]]:
        """getUpdates: the later of two pollers wins, and an update stays until a higher offset confirms it."""
        self._end_poll(bot)
        with self.lock:
            offset, limit, seconds = updates_wanted(bot, request.parameters)
        until = time.monotonic() + seconds
        while True:
            with self.lock:
                batch = bot.take_updates(offset, limit)
                self._news.notify_all()
                left = until - time.monotonic()
                if batch or left <= 0:
                    return batch
                news = self._waiting[bot.id] = asyncio.get_running_loop().create_future()
            gone = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait((news, gone), timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    raise ConnectionResetError
            finally:
                # The next request is read only when nobody else reads.
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)
                if self._waiting.get(bot.id) is news:
                    del self._waiting[bot.id]
            if news.done() and not news.result():
                words = "terminated by other getUpdates request; make sure that only one bot instance is running"
                raise Refusal(409, f"Conflict: {words}")

    def _end_poll(self, bot: FakeBot) -> None:
        """Another request takes the place of the one that waits."""
        waiting = self._waiting.pop(bot.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(False)

    def _on_update(self, bot: FakeBot) -> None:
        """Called from any thread when a bot's queue has changed."""
        with self._news:
            self._news.notify_all()
        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._hand_out, bot)

    def _hand_out(self, bot: FakeBot) -> None:
        waiting = self._waiting.get(bot.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(True)
        if bot.webhook is not None and bot.id not in self._posting:
            task = asyncio.ensure_future(deliver(bot, self.lock))
            self._posting[bot.id] = task
            task.add_done_callback(lambda _task: self._posted(bot))

    def _posted(self, bot: FakeBot) -> None:
        self._posting.pop(bot.id, None)
        with self._news:
            self._news.notify_all()
        # What came after the last look.
        if bot.webhook is not None and bot.updates and self._stopping is not None and not self._stopping.is_set():
            self._hand_out(bot)

    def _fault(self, method: str, bot: FakeBot | None, request: HttpRequest) -> Fault | None:
        chat_id = request.parameters.get("chat_id")
        with self.lock:
            return next((f for f in self.faults if f.meets(method, bot.id if bot else None, chat_id)), None)

    def _refused(self, bot: FakeBot | None, method: str, request: HttpRequest, refusal: Refusal) -> bytes:
        self._note(bot, method, request, refusal.status, "answered", None)
        return json_response(refusal.status, refusal.as_json())

    def _note(
        self, bot: FakeBot | None, method: str, request: HttpRequest, status: int, outcome: str, message_id: int | None
    ) -> None:
        with self._news:
            number = self.calls[-1].number + 1 if self.calls else 1
            bot_id = bot.id if bot else None
            call = Call(number, time.monotonic(), bot_id, method, request.parameters, status, outcome, message_id)
            self.calls.append(call)
            self._news.notify_all()

    def _keep_rates(self, bot: FakeBot, chat_id: Any) -> None:
        """Refuse what is over the limits of one second.

        Raises:
            Refusal: 429.
        """
        now = time.monotonic()
        for key, most in (((bot.id, chat_id), self.chat_rate), ((bot.id, None), self.bot_rate)):
            if most is None:
                continue
            sent = self._sent.setdefault(key, deque())
            while sent and sent[0] <= now - 1.0:
                sent.popleft()
            if len(sent) >= most:
                raise Refusal(429, "Too Many Requests: retry after 1", retry_after=1)
            sent.append(now)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server as a process until it is ended."""
    parser = argparse.ArgumentParser(prog="replyx.testing.telegram_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--bots", type=int, default=1, help="how many there are; their tokens: GET /_control/bots")
    options = parser.parse_args(arguments)
    telegram = FakeTelegram()
    for _ in range(options.bots):
        telegram.add_bot()
    ready = threading.Event()

    async def run() -> None:
        serving = asyncio.ensure_future(telegram.serve(options.port, ready))
        while not ready.is_set():
            await asyncio.sleep(0.005)
        print(f"ready {telegram.base_url}", flush=True)  # noqa: T201 - the line that a starting script waits for
        await serving

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


if __name__ == "__main__":
    main()
