"""A disk that does not keep what was written ends the process; nothing goes on as if it had kept it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from replyx.cli.exits import ExitCode
from tests.chaos.bad_disk import BadDisk
from tests.support.processes import Box

_PASSWORD = "long-enough-8y-far"


def test_a_process_whose_disk_keeps_nothing_ends_and_the_next_has_all_that_was_acknowledged(
    box: Box, tmp_path: Path
) -> None:
    disk = BadDisk(tmp_path)
    running = box.start("up", "--port", "0", **disk.environment)
    url = running.wait_for_line(r"^ready (http://\S+)$", 60).group(1)
    _enter(url, "register", "anna@example.com").raise_for_status()

    disk.fail(unsynced=10_000)
    with pytest.raises(httpx2.TransportError):
        _enter(url, "register", "boris@example.com")
    ended = running.wait(60)
    disk.fail()
    again = box.start("up", "--port", "0", **disk.environment).wait_for_line(r"^ready (http://\S+)$", 60).group(1)

    assert ended.code == ExitCode.EXIT_DISK
    assert "the disk did not keep what was written" in ended.out + ended.err
    assert _enter(again, "login", "anna@example.com").status_code == 200


def test_writes_that_fail_are_refused_and_the_process_goes_on(box: Box, tmp_path: Path) -> None:
    disk = BadDisk(tmp_path)
    url = box.start("up", "--port", "0", **disk.environment).wait_for_line(r"^ready (http://\S+)$", 60).group(1)

    disk.fail(broken=10_000)
    broken = _enter(url, "register", "anna@example.com")
    disk.fail(full=10_000)
    full = _enter(url, "register", "anna@example.com")
    disk.fail()

    assert (broken.status_code, full.status_code) == (503, 507)
    assert _enter(url, "register", "anna@example.com").status_code == 201


def _enter(url: str, door: str, email: str) -> httpx2.Response:
    body = {"email": email, "password": _PASSWORD}
    return httpx2.post(f"{url}/api/auth/{door}", json=body, timeout=60, trust_env=False)
