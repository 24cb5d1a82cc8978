"""ReplyX as a process of its own: started, listened to, killed; in a folder and an environment of the test's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import pytest

from tests.support.documents import REPOSITORY
from tests.support.programs import dying_with_us

_GUARDED = Path(__file__).parent / "guarded"


@dataclass(frozen=True)
class Finished:
    """How a process ended, and all that it said."""

    code: int
    out: str
    err: str


class Program:
    """A running process. Its lines can be waited for; whatever happens, `close` leaves nothing of it running."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self._command = " ".join(command)
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        self._news = threading.Condition()
        # A session of its own, so that its children can be ended with it.
        self._process = subprocess.Popen(
            dying_with_us(command, "KILL"),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True, name=f"reader of {name}")
            for name, stream in (("out", self._process.stdout), ("err", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def out(self) -> str:
        """Standard output so far."""
        with self._news:
            return "".join(self._lines["out"])

    @property
    def err(self) -> str:
        """Standard error so far."""
        with self._news:
            return "".join(self._lines["err"])

    def wait_for_line(self, pattern: str, seconds: float = 120, stream: str = "out") -> re.Match[str]:
        """The first line of `stream` (`out` or `err`) in which `pattern` is found; fails the test after `seconds`."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                found = next(filter(None, (re.search(pattern, line) for line in self._lines[stream])), None)
                if found:
                    return found
                ended = not any(reader.is_alive() for reader in self._readers)
                if ended or time.monotonic() > deadline:
                    self._fail(f"no line like {pattern!r} in {seconds:g} s", ended=ended)
                # The end of a reader makes no news, hence the short wait.
                self._news.wait(0.1)

    def wait(self, seconds: float = 120) -> Finished:
        """Wait for its end; fails the test where it does not come within `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._fail(f"still running after {seconds:g} s", ended=False)
        for reader in self._readers:
            reader.join(5)
        return Finished(self._process.returncode, self.out, self.err)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a power cut would, for it and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self, seconds: float = 60) -> Finished:
        """Ask it to end, as systemd does, and wait."""
        self._process.terminate()
        return self.wait(seconds)

    def close(self) -> None:
        self.kill()
        for reader in self._readers:
            reader.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _read(self, name: str, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self._lines[name].append(line)
                self._news.notify_all()

    def _fail(self, what: str, *, ended: bool) -> NoReturn:
        state = f"ended with {self._process.poll()}" if ended else "running"
        pytest.fail(
            f"{self._command}: {what} ({state})\nout: {self.out[-2000:]}\nerr: {self.err[-4000:]}", pytrace=False
        )


#: What most tests do without: better vectors, whose making in the background takes a core for a while, and Telegram,
#: in whose place nobody listens.
LEAN = {"REPLYX_KNOWLEDGE__SECOND": "none", "REPLYX_BOTS__API_BASE": "http://127.0.0.1:9"}


class Box:
    """A place to run `replyx` in: an empty folder, and an environment that knows nothing of this machine."""

    def __init__(self, folder: Path, **environment: str) -> None:
        """`environment` goes to every process started here, such as `REPLYX_DATABASE__URL`."""
        self.folder = folder
        self.data_dir = folder / "replyx-data"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{_GUARDED}{os.pathsep}{REPOSITORY}",
            "PYTHONUNBUFFERED": "1",
            **LEAN,
            **environment,
        }
        self._programs: list[Program] = []

    def start(self, *arguments: str, **environment: str) -> Program:
        """Start `replyx ARGUMENTS…` and return at once."""
        return self.start_python("-m", "replyx", *arguments, **environment)

    def start_python(self, *arguments: str, **environment: str) -> Program:
        """Start Python itself, for a script of the test's own."""
        program = Program([sys.executable, *arguments], self.folder, {**self.environment, **environment})
        self._programs.append(program)
        return program

    def run(self, *arguments: str, stdin: str = "", seconds: float = 180, **environment: str) -> Finished:
        """Run `replyx ARGUMENTS…` to its end, with `stdin` as its input."""
        done = subprocess.run(
            dying_with_us([sys.executable, "-m", "replyx", *arguments], "KILL"),
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def close(self) -> None:
        for program in reversed(self._programs):
            program.close()


@contextmanager
def open_box(folder: Path, **environment: str) -> Iterator[Box]:
    """A `Box` whose processes are dead when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    box = Box(folder, **environment)
    try:
        yield box
    finally:
        box.close()
