"""Starts units and starts them again when they die, as systemd does with `Restart=always`."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.history import History
from tests.support.programs import dying_with_us, wait_until

#: Seconds from a death to the next start: `RestartSec` of the units in `deploy/systemd`.
RESTART_SECONDS = 1.0

#: Seconds between two looks at the processes.
_LOOK_SECONDS = 0.02


#: Hands a socket over as systemd does, as descriptor 3, and becomes the program of its further arguments.
_HANDING_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True);"
    "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())};"
    "os.execvp(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class Ending:
    """A process that ended by itself, which nobody had killed or asked to."""

    unit: str
    code: int
    seconds: float
    last_words: str


@dataclass
class Unit:
    """One program that is to run for ever."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    folder: Path
    #: What its session is ended with when the supervisor's own process is gone.
    death_signal: str = "KILL"
    user: str | None = None
    #: Whether the unit works, asked from outside; None: a process that runs counts as working.
    works: Callable[[], bool] | None = None
    #: A listening socket that outlives its processes, like that of `replyx-server.socket`.
    listening: socket.socket | None = None
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_at: float = 0.0
    due_at: float | None = None
    #: Whether the end of the running process was ours.
    is_asked: bool = False
    #: Held down on purpose: it is not started again before `release`.
    is_held: bool = False
    log: Path = field(default_factory=Path)

    def argv(self) -> list[str]:
        """What is started, so that it gets the socket and ends when the supervisor's process does."""
        command = list(self.command)
        if self.listening is not None:
            command = [sys.executable, "-ISc", _HANDING_OVER, str(self.listening.fileno()), *command]
        return dying_with_us(command, self.death_signal, self.user)

    @property
    def pid(self) -> int | None:
        process = self.process
        return process.pid if process is not None and process.poll() is None else None


class Supervisor:
    """All units are started from one thread, which lives as long as they do: the kernel ends them with it."""

    def __init__(self, history: History, folder: Path, restart_seconds: float = RESTART_SECONDS) -> None:
        self._history, self._folder, self._pause = history, folder, restart_seconds
        self._units: dict[str, Unit] = {}
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        #: Ends that nobody had asked for.
        self.endings: list[Ending] = []
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def __getitem__(self, name: str) -> Unit:
        return self._units[name]

    @property
    def names(self) -> list[str]:
        return list(self._units)

    def add(self, unit: Unit) -> None:
        """Start a unit, now and whenever it dies."""
        unit.log = self._folder / f"{unit.name}.log"

        def begin() -> None:
            self._units[unit.name] = unit
            self._start(unit)

        self._order(begin)

    def send(self, name: str, number: signal.Signals, *, whole_session: bool = False) -> int | None:
        """Send a signal; the pid that got it, None where nothing runs. Deaths by SIGKILL and SIGTERM count as asked."""
        unit = self._units[name]
        pid = unit.pid
        if pid is None:
            return None
        if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT):
            unit.is_asked = True
        with suppress(ProcessLookupError):
            if whole_session:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        self._history.add("signal", unit=name, signal=number.name, pid=pid, whole=whole_session)
        return pid

    def hold(self, name: str) -> None:
        """Do not start the unit again before `release`."""
        self._units[name].is_held = True

    def release(self, name: str) -> None:
        """Start the unit, now if it does not run."""
        unit = self._units[name]
        unit.is_held = False
        unit.due_at = 0.0 if unit.pid is None else unit.due_at

    def wait_for_end(self, name: str, pid: int, seconds: float) -> float:
        """Seconds until the process `pid` of the unit is gone; fails after `seconds`."""
        unit, start = self._units[name], time.monotonic()
        wait_until(lambda: unit.pid != pid, seconds, f"{name} does not end")
        return time.monotonic() - start

    def stop(self, seconds: float = 20.0) -> dict[str, float]:
        """End every unit in the opposite order of their starts; how long each took, in seconds."""
        took: dict[str, float] = {}
        for unit in reversed(list(self._units.values())):
            unit.is_held = True
            pid = self.send(unit.name, signal.SIGCONT) and self.send(unit.name, signal.SIGTERM)
            if pid is not None:
                took[unit.name] = self._ended(unit, pid, seconds)
        self._stopping.set()
        self._thread.join(10)
        return took

    def _ended(self, unit: Unit, pid: int, seconds: float) -> float:
        start = time.monotonic()
        while unit.pid == pid:
            if time.monotonic() - start > seconds:
                self.send(unit.name, signal.SIGKILL, whole_session=True)
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - start

    def _order(self, work: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        self._orders.put(run)
        done.wait(30)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(queue.Empty):
                while True:
                    self._orders.get_nowait()()
            for unit in list(self._units.values()):
                self._look_after(unit)
            time.sleep(_LOOK_SECONDS)

    def _look_after(self, unit: Unit) -> None:
        now = time.monotonic()
        if unit.process is not None and unit.process.poll() is not None:
            self._bury(unit, unit.process.returncode, now)
        if unit.process is None and not unit.is_held and unit.due_at is not None and now >= unit.due_at:
            self._start(unit)

    def _bury(self, unit: Unit, code: int, now: float) -> None:
        self._history.add("ended", unit=unit.name, code=code, asked=unit.is_asked)
        if not unit.is_asked:
            words = unit.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            self.endings.append(Ending(unit.name, code, now - unit.started_at, words))
        unit.process, unit.due_at = None, now + self._pause

    def _start(self, unit: Unit) -> None:
        with unit.log.open("ab") as output:
            unit.process = subprocess.Popen(
                unit.argv(),
                cwd=unit.folder,
                env=unit.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[unit.listening.fileno()] if unit.listening else [],
                start_new_session=True,
            )
        unit.starts += 1
        unit.is_asked, unit.due_at, unit.started_at = False, None, time.monotonic()
        self._history.add("started", unit=unit.name, pid=unit.process.pid, number=unit.starts)
