"""Finds processes and threads that a test left running, and ends what can be ended."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

#: Servers of the whole run, which a test may start but not own.
kept: set[int] = set()

#: What Python's multiprocessing keeps for the life of its process, by design.
_BY_DESIGN = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


class Leftovers:
    """What runs now; later, what is new."""

    def __init__(self) -> None:
        self._processes = _children()
        self._threads = set(threading.enumerate())

    def end_new_ones(self) -> list[str]:
        """Kill processes that were started since; returns them and the threads that are still at work."""
        left = []
        for pid in _children() - self._processes - kept:
            command = _command(pid)
            if any(name in command for name in _BY_DESIGN):
                continue
            left.append(command)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        return left + [f"thread {thread.name}" for thread in self._new_threads(seconds=30)]

    def _new_threads(self, seconds: float) -> list[threading.Thread]:
        """Threads that would keep the process alive; they get `seconds` to come to their end."""
        deadline = time.monotonic() + seconds
        for thread in set(threading.enumerate()) - self._threads:
            if not thread.daemon:
                thread.join(max(0.0, deadline - time.monotonic()))
        return [t for t in set(threading.enumerate()) - self._threads if not t.daemon]


def _children() -> set[int]:
    """Living children of this process, however they were started: the kernel keeps a list of them for each thread.

    A walk over all of /proc would tell the same, a thousand times slower, twice at every test.
    """
    found: set[int] = set()
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(int(pid) for pid in children.read_text().split())
    return {pid for pid in found if not _is_dead(pid)}


def _is_dead(pid: int) -> bool:
    """Whether it ended and only waits for somebody to ask how."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return f"process {pid}"
