"""Processes of ReplyX that start in a moment: one process has everything imported, and forks them.

`python -m tests.kills.nursery` takes orders as lines of JSON and answers each with a line. A fork is a process as any
other: it runs the command line's own code, and SIGKILL ends it, and nothing else.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from tests.kills.switch import Act, Plan, Switch
from tests.support.programs import dying_with_us, wait_until

#: What the roles import when they start.
_MODULES = ("app", "server.serve", "worker.running", "bots.running", "cli.main", "cli.up", "cli.first_start")

_PR_SET_PDEATHSIG = 1


class Child:
    """One running `replyx …`."""

    def __init__(self, nursery: Nursery, pid: int, log: Path) -> None:
        self._nursery, self.pid, self._log = nursery, pid, log
        self._ended = False

    @property
    def is_running(self) -> bool:
        if not self._ended:
            self._ended = bool(self._nursery.order(has_ended=self.pid))
        return not self._ended

    @property
    def said(self) -> str:
        """All that it wrote, to either stream."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def ready(self, seconds: float = 30) -> str | None:
        """What stands after `ready` in its first such line; None where it ended before it wrote one."""
        wait_until(lambda: self._ready() or not self.is_running, seconds, f"it is not ready: {self._log}")
        return self._ready()

    def kill(self) -> None:
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
            wait_until(lambda: not self.is_running, 10, "it outlived SIGKILL")

    def _ready(self) -> str | None:
        for line in self.said.splitlines(keepends=True):
            if line.startswith("ready ") and line.endswith("\n"):
                return line.split()[1]
        return None


class Nursery:
    """The test's side."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            dying_with_us([sys.executable, "-m", "tests.kills.nursery"], "KILL"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End every child, too."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def start(self, arguments: list[str], environment: dict[str, str], plan: Plan | None = None) -> Child:
        """Start `replyx ARGUMENTS…` with nothing in its environment but this."""
        self._count += 1
        log = self._folder / f"{self._count}-{arguments[0]}.log"
        log.touch()
        planned = plan and {"notes": str(plan.notes), "point": plan.point, "act": plan.act}
        order = {"start": arguments, "environment": environment, "log": str(log), "plan": planned}
        return Child(self, int(self.order(**order)), log)

    def order(self, **order: Any) -> Any:
        """Send an order, and read what it is answered with."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def serve() -> None:
    """Take orders until there are no more."""
    for name in _MODULES:
        importlib.import_module(f"replyx.{name}")
    ended: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.write(json.dumps(_born(order) if "start" in order else _has_ended(order["has_ended"], ended)) + "\n")
        sys.stdout.flush()


def _has_ended(pid: int, ended: set[int]) -> bool:
    if pid not in ended and os.waitpid(pid, os.WNOHANG)[0] == pid:
        ended.add(pid)
    return pid in ended


def _born(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _live(order)
    return pid


def _live(order: dict[str, Any]) -> NoReturn:
    """The child's whole life."""
    code = 70
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with Path(os.devnull).open("rb") as nothing, Path(order["log"]).open("ab") as log:
            os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.environ.clear()
        os.environ.update(order["environment"])
        if order["plan"]:
            act: Act = order["plan"]["act"]
            Switch(Plan(Path(order["plan"]["notes"]), order["plan"]["point"], act)).install()
        from replyx.cli.main import run

        code = run(order["start"])
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
