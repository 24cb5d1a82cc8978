"""Throwing files at a knowledge service, and watching an event loop beside it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from replyx.errors import ReplyXError
from replyx.knowledge.knowledge import Knowledge
from replyx.types import Actor
from tests.hostile.corpus import File

#: Seconds between two looks of the watch, and between two at the readers' memory.
_TICK, _LOOK = 0.002, 0.01


@dataclass(frozen=True)
class Fate:
    """What became of a file: `refused` at the door, `failed` with a reason, or `completed`; seconds in all."""

    name: str
    outcome: str
    reason: str
    seconds: float


@dataclass
class Lateness:
    """How late a loop was at its ticks, in milliseconds."""

    ticks: list[float] = field(default_factory=list)

    @property
    def worst(self) -> float:
        return max(self.ticks, default=0.0)

    def share_over(self, milliseconds: float) -> float:
        return sum(tick > milliseconds for tick in self.ticks) / max(1, len(self.ticks))


def throw(knowledge: Knowledge, actor: Actor, assistant: int, file: File) -> Fate:
    """Upload a file and read it. What is no answer to an owner is raised."""
    name, content = file
    start = time.monotonic()
    try:
        document = knowledge.add_document(actor, assistant, name, io.BytesIO(content), None)
    except ReplyXError as error:
        return Fate(name, "refused", error.code, time.monotonic() - start)
    view = knowledge.ingest(document.id)
    if view is None:
        return Fate(name, "lost", "", time.monotonic() - start)
    return Fate(name, view.status, view.error.code if view.error else "", time.monotonic() - start)


async def throw_all(
    knowledge: Knowledge, actor: Actor, assistant: int, files: Iterable[File]
) -> tuple[list[Fate], Lateness]:
    """Throw one after another from a thread, while this loop watches how late it gets."""
    fates: list[Fate] = []

    def work() -> None:
        fates.extend(throw(knowledge, actor, assistant, file) for file in files)

    busy = asyncio.create_task(asyncio.to_thread(work))
    lateness = Lateness()
    while not busy.done():
        before = time.monotonic()
        await asyncio.sleep(_TICK)
        lateness.ticks.append((time.monotonic() - before - _TICK) * 1000)
    await busy
    return fates, lateness


class Elsewhere:
    """The same watch in a process that does nothing else: what is the machine's lateness and not ours."""

    def __init__(self) -> None:
        self._child = subprocess.Popen([sys.executable, "-c", _WATCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end(self) -> Lateness:
        out, _ = self._child.communicate(b"\n")
        return Lateness([float(tick) for tick in out.split()])


class Readers:
    """The most memory that a reader of this process had, in MiB, as long as the block lasts.

    Read from `/proc` again and again: what the kernel tells of an ended child counts its parent's pages, too, which
    were the child's own until it began its program.
    """

    def __init__(self) -> None:
        self.largest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="readers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_LOOK):
            for children in Path("/proc/self/task").glob("*/children"):
                # A thread, and a child, may end while it is looked at.
                with contextlib.suppress(OSError):
                    for child in children.read_text(encoding="ascii").split():
                        self.largest = max(self.largest, _peak_of(Path("/proc") / child))


def _peak_of(process: Path) -> float:
    """MiB that a reader had at most so far; 0 where it is none, or has ended."""
    with contextlib.suppress(OSError):
        if b"replyx.knowledge.reader" in (process / "cmdline").read_bytes():
            for line in (process / "status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    return 0.0


_WATCH = f"""
import asyncio, sys, threading, time
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(1), stop.set()), daemon=True).start()
async def watch():
    while not stop.is_set():
        before = time.monotonic()
        await asyncio.sleep({_TICK})
        print((time.monotonic() - before - {_TICK}) * 1000)
asyncio.run(watch())
"""
