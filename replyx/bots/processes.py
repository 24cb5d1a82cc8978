"""Further processes of the bot manager: the first one starts them, starts again what died or hangs, and ends them.

They share the bots by leases, as managers on other machines do, so nothing is handed from one to another here.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from replyx.app import App
from replyx.bots.running import ROLE
from replyx.errors import ReplyXError
from replyx.tasks.beats import SILENCE_SECONDS

logger = logging.getLogger(__name__)

#: Seconds between two looks at them.
_LOOK_SECONDS = 1.0

#: Seconds before one that died is started again.
_PAUSE_SECONDS = 2.0

#: Seconds without a sign of life after which one is killed: as long as systemd waits for the first.
_HANGS_AFTER = 60.0

#: Seconds that they have to end.
_END_SECONDS = 8.0

#: What only the first process tells systemd.
_SYSTEMDS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass
class _Further:
    """One of them. It ends when its standard input does, so that none outlives the first."""

    process: subprocess.Popen[bytes]
    #: When it last gave a sign of life, or was started.
    seen: float = field(default_factory=time.monotonic)


def run_further(app: App, command: Sequence[str], count: int, stop: threading.Event) -> None:
    """Keep `count` processes of `command` running until `stop` is set."""
    running: list[_Further] = []
    begin_at = 0.0
    try:
        while not stop.is_set():
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                begin_at = time.monotonic() + _PAUSE_SECONDS
                logger.warning(
                    "a process of the bot manager ended and is started again",
                    extra={"pid": one.process.pid, "code": one.process.returncode},
                )
                _close_input(one)
            while len(running) < count and time.monotonic() >= begin_at:
                running.append(_start(command))
            _kill_hanging(app, running)
            stop.wait(_LOOK_SECONDS)
    finally:
        _end(running)


def until_input_ends(stop: threading.Event) -> None:
    """Set `stop` when the first process is gone: it holds the other end of our standard input."""
    with suppress(OSError):
        while os.read(0, 1):
            continue
    stop.set()


def _start(command: Sequence[str]) -> _Further:
    environment = {name: value for name, value in os.environ.items() if name not in _SYSTEMDS}
    # What it logs goes where ours goes.
    process = subprocess.Popen(
        list(command), env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, close_fds=True
    )
    return _Further(process)


def _kill_hanging(app: App, running: Sequence[_Further]) -> None:
    now, host = time.monotonic(), socket.gethostname()[:60]
    try:
        ages = {beat.name: beat.age_seconds for beat in app.beats.list() if beat.role == ROLE}
    except ReplyXError:
        # Nobody can give a sign of life now.
        for one in running:
            one.seen = now
        return
    for one in running:
        if ages.get(f"{ROLE}@{host}:{one.process.pid}", SILENCE_SECONDS) < SILENCE_SECONDS:
            one.seen = now
        elif now - one.seen > _HANGS_AFTER:
            logger.error("a process of the bot manager hangs and is killed", extra={"pid": one.process.pid})
            one.process.kill()
            one.seen = now


def _end(running: Sequence[_Further]) -> None:
    for one in running:
        _close_input(one)
    deadline = time.monotonic() + _END_SECONDS
    for one in running:
        try:
            one.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()


def _close_input(one: _Further) -> None:
    if one.process.stdin is not None:
        with suppress(OSError):
            one.process.stdin.close()
