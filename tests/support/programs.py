"""Programs that tests need beside Python, where Debian puts them, and what to say when they are missing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ADVICE = "apt-get install postgresql redis-server clamav-daemon chromium chromium-driver systemd"


def find_program(name: str) -> str:
    """The path of `name`; fails the test with the command to run where it is not installed."""
    # Daemons stand where only root's PATH leads.
    return _found(shutil.which(name) or shutil.which(name, path="/usr/sbin"), name)


def find_postgres(name: str) -> str:
    """A program of the newest PostgreSQL that Debian installed, whose folder is not in PATH; else one that is."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: float(p.parts[4]))
    return _found(str(newest[-1]) if newest else shutil.which(name), f"PostgreSQL ({name})")


def _found(path: str | None, name: str) -> str:
    if path is None:
        pytest.fail(f"{name} is not installed. Run: {ADVICE}", pytrace=False)
    return path


def dying_with_us(command: Sequence[str], signal_name: str, user: str | None = None) -> list[str]:
    """`command` such that the kernel ends it when the process that started it is gone, however that ended."""
    as_user = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    return [find_program("setpriv"), "--pdeathsig", signal_name, *as_user, "--", *command]


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


#: Seconds that everything may take at least: on a machine with ten times the work, what takes 2 s takes 20.
_PATIENCE = 60.0


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return as soon as `condition()` is true; fail the test with `what` where it never is.

    `seconds` is what it takes at most on a busy machine; whoever says less than a minute waits for a minute.
    """
    seconds = max(seconds, _PATIENCE)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain: {what}", pytrace=False)
        time.sleep(0.01)


def fast_folder() -> Path | None:
    """Memory that looks like a disk, where there is enough of it: servers under test keep fsync on and are quick."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK) or shutil.disk_usage(shm).free < 1 << 30:
        return None
    return shm


def stop(process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """End `process`: politely, then not."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
