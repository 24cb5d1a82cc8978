"""A proxy over loopback that speaks SOCKS5 and HTTP's CONNECT, with a login where one is set, and counts its users."""

from __future__ import annotations

import asyncio
import base64
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_CONNECT, _IPV4, _NAME, _IPV6 = 1, 1, 3, 4


class FakeProxy:
    """In a test: `with FakeProxy(user="me", password="secret") as proxy: …proxy.port`."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self._user, self._password = user, password
        self.port = 0
        #: `host:port` of every connection that was made, and how many were refused for their login.
        self.targets: list[str] = []
        self.refused = 0
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fake-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the fake proxy did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connection(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ValueError, OSError):
            first = await reader.readexactly(1)
            target = await (self._socks(reader, writer) if first == b"\x05" else self._http(first, reader, writer))
            if target is not None:
                await self._carry(target, reader, writer)
        writer.close()

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 2 if self._user else 0
        writer.write(bytes((5, wanted if wanted in methods else 0xFF)))
        if wanted not in methods:
            self.refused += 1
            return None
        if wanted:
            await reader.readexactly(1)
            user, password = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
            is_known = (user.decode(), password.decode()) == (self._user, self._password)
            writer.write(bytes((1, 0 if is_known else 1)))
            if not is_known:
                self.refused += 1
                return None
        _, command, _, kind = await reader.readexactly(4)
        host = await _address(reader, kind)
        port = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(bytes((5, 0 if command == _CONNECT else 7, 0, 1, 0, 0, 0, 0, 0, 0)))
        return host, port

    async def _http(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int] | None:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        login = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        if self._user and f"proxy-authorization: basic {login.lower()}" not in head.lower():
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return None
        host, _, port = head.split()[1].rpartition(":")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return host, int(port)

    async def _carry(self, target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.targets.append(f"{target[0]}:{target[1]}")
        far_reader, far_writer = await asyncio.open_connection(*target)
        ways = [asyncio.ensure_future(_copy(reader, far_writer)), asyncio.ensure_future(_copy(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.close()


async def _address(reader: asyncio.StreamReader, kind: int) -> str:
    if kind == _NAME:
        return (await reader.readexactly((await reader.readexactly(1))[0])).decode("ascii")
    if kind == _IPV4:
        return ".".join(str(part) for part in await reader.readexactly(4))
    if kind == _IPV6:
        packed = await reader.readexactly(16)
        return ":".join(packed[n : n + 2].hex() for n in range(0, 16, 2))
    raise ValueError("no such kind of address")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
