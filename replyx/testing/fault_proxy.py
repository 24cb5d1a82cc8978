"""A TCP proxy that misbehaves on demand: delays, stalls, resets, swallows, slices what passes through it.

In a test: `with FaultProxy("127.0.0.1", 5432) as proxy: proxy.port`; then `proxy.fault = Fault(delay=0.2)`. A fault
counts at once, for open connections as for new ones. As a process: `python -m replyx.testing.fault_proxy --to
HOST:PORT` prints `ready 127.0.0.1:PORT` and takes faults as JSON objects, one a line, from its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

#: Bytes that are read at once.
_PIECE = 65_536

#: Seconds between two looks whether a stall is over.
_LOOK = 0.01

#: Closing with this option set sends a reset instead of an end.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Fault:
    """What is done to every connection. Without arguments: nothing."""

    #: Seconds by which every piece comes later, in each direction.
    delay: float = 0.0
    #: Nothing moves; what is sent meanwhile arrives once it is over.
    stall: bool = False
    #: Half-open: the other side is gone without a word. What is sent is swallowed, new connections are taken and
    #: get no answer; they stay so when the fault is over, as the one who is gone knows nothing of them.
    swallow: bool = False
    #: New connections are reset. Open ones are broken with `FaultProxy.reset`.
    refuse: bool = False
    #: Most bytes that are written at once; 0: as they come.
    slice_bytes: int = 0


class FaultProxy:
    """Listens on a free port of the loopback, in a thread of its own, and passes everything on to one address."""

    def __init__(self, host: str, port: int) -> None:
        """Nothing is opened before the block is entered. The other side may start and stop as it likes."""
        self.host, self.to = host, port
        self.fault = Fault()
        #: Connections that were taken.
        self.taken = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="fault-proxy", daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._loop is not None and self._stopping is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)

    @property
    def open_connections(self) -> int:
        return len(self._open) // 2

    def reset(self) -> None:
        """Break every open connection with a TCP reset, on both of its sides."""
        if self._loop is not None:
            done = threading.Event()
            self._loop.call_soon_threadsafe(self._reset, done)
            done.wait(5)

    def _reset(self, done: threading.Event) -> None:
        for writer in tuple(self._open):
            _break(writer)
        done.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connection(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        if self.fault.refuse:
            _break(writer)
            return
        if self.fault.swallow:
            await _swallow_all(reader, writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.to)
        except OSError:
            _break(writer)
            return
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}
            _break(writer)
            _break(far_writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until its end."""
        with suppress(ConnectionError):
            is_gone = False
            while data := await reader.read(_PIECE):
                while self.fault.stall:
                    await asyncio.sleep(_LOOK)
                if self.fault.delay:
                    await asyncio.sleep(self.fault.delay)
                is_gone = is_gone or self.fault.swallow
                if not is_gone:
                    await self._write(writer, data)
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = self.fault.slice_bytes or len(data)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()


async def _swallow_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while await reader.read(_PIECE):
            continue
    writer.close()


def _break(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the proxy as a process until its standard input ends."""
    parser = argparse.ArgumentParser(prog="replyx.testing.fault_proxy", description=__doc__)
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="where everything is passed on to")
    host, _, port = parser.parse_args(arguments).to.rpartition(":")
    with FaultProxy(host, int(port)) as proxy:
        print(f"ready 127.0.0.1:{proxy.port}", flush=True)  # noqa: T201 - the line that a starting script waits for
        for line in sys.stdin:
            asked = json.loads(line)
            if asked.pop("reset", False):
                proxy.reset()
            proxy.fault = Fault(**asked)
            print(json.dumps({"open": proxy.open_connections, "taken": proxy.taken}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
