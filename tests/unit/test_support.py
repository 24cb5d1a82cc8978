"""What tests stand on keeps its promises."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import guard
from tests.support.leftovers import Leftovers
from tests.support.processes import Box
from tests.support.programs import wait_until


def test_a_connection_to_another_machine_is_refused() -> None:
    with socket.socket() as outside, pytest.raises(guard.OutsideWorld):
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(guard.OutsideWorld):
        socket.getaddrinfo("some.host.of.the.world", 80)

    assert guard.refused() == ["192.0.2.1", "some.host.of.the.world"]


def test_reserved_names_do_not_exist() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("no-such-host.invalid", 80)

    assert guard.refused() == []


def test_processes_of_tests_cannot_reach_another_machine_either(box: Box) -> None:
    script = "import socket; socket.socket().connect(('192.0.2.1', 80))"

    finished = box.start_python("-c", script).wait()

    assert finished.code == 1
    assert "OutsideWorld: 192.0.2.1" in finished.err


def test_a_forgotten_process_is_ended_and_named() -> None:
    before = Leftovers()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    left = before.end_new_ones()

    assert len(left) == 1
    assert "time.sleep(600)" in left[0]
    assert process.wait(60) in (0, -signal.SIGKILL)


def test_lines_of_a_process_can_be_waited_for_and_its_children_die_with_it(box: Box) -> None:
    script = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print('child', p.pid); p.wait()"
    program = box.start_python("-c", script)

    child = int(program.wait_for_line(r"^child (\d+)$").group(1))
    program.kill()

    wait_until(lambda: not _is_alive(child), 10, "the child is still alive")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
