"""A booted machine: systemd-nspawn with a network of its own and a disk that forgets; commands run inside it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.appliance.root import VENV
from tests.support.programs import dying_with_us, find_program

#: What a shell of root has there.
_ENVIRONMENT = {
    "PATH": f"{VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


class Failed(Exception):
    """A command inside ended with another code than 0."""


class Machine:
    """What runs inside is run by root, as an administrator would."""

    #: The program that speaks to the systemd which keeps ReplyX.
    systemctl = "systemctl"

    def __init__(self, leader: int) -> None:
        """`leader` is the number that process 1 of the machine has outside."""
        self.leader = leader

    def run(self, command: str, *, stdin: str = "", seconds: float = 120, check: bool = True) -> str:
        """Run a shell command; its standard output. Raises Failed with all that it said."""
        done = subprocess.run(
            [*self._entering(), "sh", "-c", command],
            input=stdin, capture_output=True, text=True, timeout=seconds, env=_ENVIRONMENT, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise Failed(f"{command}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a program that talks over its standard input and output."""
        return subprocess.Popen(
            dying_with_us([*self._entering(), *command], "KILL"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT,
        )  # fmt: skip

    def property(self, unit: str, name: str) -> str:
        """What systemd says of a unit."""
        return self.run(f"{self.systemctl} show --value -p {name} {unit}").strip()

    def journal(self, unit: str) -> str:
        """What was said by and of a unit."""
        return self.run(f"journalctl -u '{unit}' -o cat --no-pager")

    def wait_until(self, command: str, seconds: float = 90) -> None:
        """Return once `command` ends with 0."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.run(command)
                return
            except Failed:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def _entering(self) -> list[str]:
        return [find_program("nsenter"), "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "--"]


@contextmanager
def booted(root: Path, wheel: Path) -> Iterator[Machine]:
    """A machine that is up; gone without a trace at the end of the block. `wheel` is in /wheel."""
    # The disk is laid over the root and lost with the machine; its own loopback is all the network there is.
    options = ["--volatile=overlay", "--private-network", f"--bind-ro={wheel.parent}:/wheel"]
    # There is no systemd outside that could be told of it.
    command = [find_program("systemd-nspawn"), "-D", str(root), *options, "--register=no", "--keep-unit", "-q", "-b"]
    with (root.parent / "console.log").open("w") as console:
        nspawn = subprocess.Popen(
            dying_with_us(command, "TERM"), stdin=subprocess.DEVNULL, stdout=console, stderr=console
        )
        try:
            machine = Machine(_leader_of(nspawn.pid))
            machine.wait_until("systemctl is-system-running | grep -qE 'running|degraded'")
            yield machine
        finally:
            nspawn.send_signal(signal.SIGTERM)
            try:
                nspawn.wait(60)
            except subprocess.TimeoutExpired:
                nspawn.kill()
                nspawn.wait()


def _leader_of(nspawn: int) -> int:
    """The process outside that is process 1 inside."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
        for child in map(int, children):
            # One that ended meanwhile has no program any more.
            with contextlib.suppress(FileNotFoundError):
                if Path(f"/proc/{child}/exe").readlink().name == "systemd":
                    return child
        time.sleep(0.1)
    sys.exit("the machine did not boot; see .cache/appliance/console.log")
