"""Under systemd: it is told of readiness, life and the end; its socket is used, its units are understood."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from replyx.cli.systemd import require_seen
from replyx.errors import ConfigError
from tests.support.processes import Box
from tests.support.programs import find_program, wait_until

#: Does what systemd does: holds the socket, hands it over as descriptor 3, starts what ended again.
_SYSTEMD = """
import os, socket, subprocess, sys
held = socket.create_server(("127.0.0.1", 0))
print("port", held.getsockname()[1], flush=True)
shim = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True);" \\
    "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())};" \\
    "os.execv(sys.executable, [sys.executable, '-m', 'replyx', sys.argv[2]])"
while True:
    child = subprocess.Popen([sys.executable, "-c", shim, str(held.fileno()), sys.argv[1]], pass_fds=[held.fileno()])
    print("server", child.pid, flush=True)
    child.wait()
"""


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd hears."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(30)
        yield heard


def _hear(listener: socket.socket, wanted: str) -> None:
    """Return when `wanted` was said; fails by the socket's time-out where it is not."""
    while listener.recv(100).decode() != wanted:
        pass


def test_it_is_told_of_readiness_life_and_the_end(box: Box, listener: socket.socket) -> None:
    running = box.start("up", "--port", "0", NOTIFY_SOCKET=str(listener.getsockname()))

    _hear(listener, "READY=1")
    running.wait_for_line(r"^ready ")
    _hear(listener, "WATCHDOG=1")
    _hear(listener, "WATCHDOG=1")
    running.terminate()
    _hear(listener, "STOPPING=1")


@pytest.mark.parametrize("command", ["server", "up"])
def test_who_calls_while_the_server_restarts_waits_and_is_not_refused(box: Box, redis_url: str, command: str) -> None:
    assert box.run("init", "--yes").code == 0
    several = {"REPLYX_REDIS__URL": redis_url} if command == "server" else {}
    systemd = box.start_python("-c", _SYSTEMD, command, **several)
    url = f"http://127.0.0.1:{systemd.wait_for_line(r'^port (.*)$')[1]}/healthz"

    # Nobody listens yet but systemd.
    assert httpx2.get(url, timeout=60).status_code == 200
    os.kill(int(systemd.wait_for_line(r"^server (.*)$")[1]), signal.SIGTERM)
    answers = [httpx2.get(url, timeout=60).status_code for _ in range(20)]

    assert answers == [200] * 20
    wait_until(lambda: systemd.out.count("server ") == 2, 30, "the server did not restart")
    assert httpx2.get(url, timeout=60).status_code == 200


def test_a_request_on_its_way_when_the_server_ends_is_answered(box: Box) -> None:
    running = box.start("up", "--port", "0")
    address = ("127.0.0.1", int(running.wait_for_line(r"^ready http://127.0.0.1:(\d+)")[1]))
    with socket.create_connection(address, 30) as early:
        # Whoever came later was answered, so this one was accepted.
        assert httpx2.get(f"http://127.0.0.1:{address[1]}/healthz", timeout=60).status_code == 200
        running.signal(signal.SIGTERM)
        wait_until(lambda: _is_refused(address), 30, "the server still listens")
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = early.recv(100)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert running.wait().code == 0


def test_a_proxy_s_kept_connection_answers_once_more_when_the_server_ends_and_says_that_it_closes(box: Box) -> None:
    running = box.start("up", "--port", "0")
    address = ("127.0.0.1", int(running.wait_for_line(r"^ready http://127.0.0.1:(\d+)")[1]))
    with socket.create_connection(address, 30) as kept:
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\n")
        first = _answer(kept)
        running.signal(signal.SIGTERM)
        wait_until(lambda: _is_refused(address), 30, "the server still listens")
        kept.sendall(b"Host: x\r\n\r\n")
        second = _answer(kept)

    assert first.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" not in first.lower()
    assert second.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in second.lower()
    assert running.wait().code == 0


def _answer(connection: socket.socket) -> bytes:
    """One whole answer of /healthz; its head and its body may come apart."""
    answer = b""
    while b"}" not in answer and (piece := connection.recv(10_000)):
        answer += piece
    return answer


def _is_refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # The listener went in the middle of this greeting: the next one tells.
        return False
    return False


@pytest.mark.parametrize("environment", [{}, {"REPLYX_REDIS__URL": "redis://127.0.0.1:1/0"}], ids=["one", "several"])
def test_units_are_written_once_and_systemd_understands_them(box: Box, environment: dict[str, str]) -> None:
    folder = box.folder / "units"

    box.environment |= environment
    first, again = (box.run("systemd", "install", "--to", str(folder), "--json") for _ in range(2))

    assert (first.code, again.code) == (0, 0), first.err + again.err
    units = json.loads(first.out)["units"]
    assert json.loads(first.out)["changed"] == units == sorted(file.name for file in folder.iterdir())
    assert json.loads(again.out)["changed"] == []
    verify = [find_program("systemd-analyze"), "verify", *map(str, folder.iterdir())]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr).strip() == ""


def test_units_of_a_user_ask_for_nothing_that_only_root_can_give(box: Box) -> None:
    assert box.run("systemd", "install", "--user", "--to", "units").code == 0

    text = (box.folder / "units" / "replyx.service").read_text(encoding="utf-8")
    assert "WantedBy=default.target" in text
    assert f"REPLYX_DATA_DIR={box.data_dir}" in text
    assert not any(word in text for word in ("DynamicUser", "StateDirectory", "Protect", "SystemCall", "User="))


@pytest.mark.parametrize("scope", [[], ["--user"]], ids=["root", "user"])
def test_a_folder_with_signs_that_systemd_gives_a_meaning_to_stays_one_folder(box: Box, scope: list[str]) -> None:
    own = box.folder / 'help "desk" 100%h $HOME'
    done = box.run("--data-dir", str(own), "systemd", "install", "--to", "units", *scope)

    assert done.code == 0, done.err
    text = (box.folder / "units" / "replyx.service").read_text(encoding="utf-8")
    escaped = str(own).replace('"', '\\"').replace("%", "%%")
    assert f'Environment="REPLYX_DATA_DIR={escaped}"' in text.splitlines()
    assert (f'ReadWritePaths="{escaped}"' in text.splitlines()) is not bool(scope)
    verify = [find_program("systemd-analyze"), "verify", *map(str, (box.folder / "units").iterdir())]
    told = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (told.stdout + told.stderr).strip() == ""


@pytest.mark.parametrize("folder", ["/home/anna/replyx", "/root/replyx", "/tmp/replyx"])
def test_a_data_directory_that_a_service_cannot_see_is_refused(folder: str) -> None:
    with pytest.raises(ConfigError, match=r"such as /srv/replyx") as told:
        require_seen(Path(folder))

    assert folder in told.value.message_ru
    require_seen(Path("/srv/replyx"))


def test_status_without_a_running_systemd_says_so(box: Box) -> None:
    done = box.run("systemd", "status", "--json", SYSTEMD_IGNORE_CHROOT="1")

    assert done.code == 1
    assert [row["unit"] for row in json.loads(done.out)] == ["replyx.service", "replyx.socket"]
