"""Files that attack whoever reads them end with a reason, and nothing else notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from replyx.config.settings import KnowledgeSettings
from replyx.events.memory import MemoryBus
from replyx.knowledge.cage import read_document
from replyx.knowledge.confinement import is_kept_by_the_kernel
from replyx.knowledge.failures import SENTENCES
from replyx.plugins.uploads import TextExtractor
from replyx.storage.database import Database
from tests.conftest import Configure
from tests.domain.library import Library
from tests.hostile.corpus import small_corpus
from tests.hostile.throwing import throw_all
from tests.support.clock import MovableClock
from tests.support.documents import REPOSITORY


def test_every_hostile_file_ends_with_a_reason_and_others_are_answered_from(
    sqlite_db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure
) -> None:
    library = Library(sqlite_db, bus, clock, configure())
    library.teach("Доставка бесплатна по всему городу.")
    files = list(small_corpus())

    fates, _ = asyncio.run(throw_all(library.knowledge, library.owner, library.assistant, files))

    assert [fate.name for fate in fates] == [name for name, _ in files]
    assert {fate.outcome for fate in fates} == {"refused", "failed", "completed"}
    assert {fate.reason for fate in fates if fate.outcome == "failed"} <= set(SENTENCES) - {"gave_up", "lost"}
    assert library.knowledge.search(library.assistant, "сколько стоит доставка").answerable


_TRIES = """
import ctypes, json, os, socket, subprocess, sys, urllib.request
from replyx.knowledge import confinement
libc = ctypes.CDLL(None, use_errno=True)
numbers = confinement._MACHINES[os.uname().machine][1]
getattr(confinement, sys.argv[1])()
tries = {
    "open": lambda: open("/etc/passwd"),
    "write": lambda: open(sys.argv[2], "w"),
    "list": lambda: os.listdir("/"),
    "socket": lambda: socket.socket(),
    "pair": lambda: socket.socketpair(),
    "lookup": lambda: socket.getaddrinfo("localhost", 80),
    "program": lambda: subprocess.run(["/bin/true"], check=True),
    "fork": lambda: os.waitpid(os.fork() or os._exit(0), 0),
    "kill": lambda: os.kill(os.getppid(), 0),
    "rename": lambda: os.rename(sys.argv[2], sys.argv[2] + "x"),
}
told = {}
for name, attempt in tries.items():
    try:
        attempt()
        told[name] = "done"
    except OSError:
        told[name] = "refused"
# Past Python, as a hole in a parser would call.
for name in ("socket", "connect", "ptrace", "bpf", "io_uring_setup"):
    is_refused = libc.syscall(numbers[name], 2, 1, 0, 0) < 0 and ctypes.get_errno() == 1
    told["call " + name] = "refused" if is_refused else "done"
print(json.dumps(told))
"""


def _tried(how: str, folder: Path) -> dict[str, str]:
    command = [sys.executable, "-c", _TRIES, how, str(folder / "written")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_a_reader_can_open_start_and_reach_nothing(tmp_path: Path) -> None:
    assert is_kept_by_the_kernel()
    assert set(_tried("close_the_door", tmp_path).values()) == {"refused"}


def test_a_plugin_s_reader_may_start_programs_and_reach_no_network(tmp_path: Path) -> None:
    told = _tried("cut_the_network", tmp_path)

    assert {name for name, what in told.items() if what == "done"} == {
        "open", "write", "list", "program", "fork", "kill", "rename",
    }  # fmt: skip


_PLUGIN = """
import os, socket, sys
def read(path):
    try:
        socket.create_connection(("127.0.0.1", int(path.read_text())), 1)
        yield "connected", None, None
    except OSError as error:
        yield f"refused {len([k for k in os.environ if k.startswith('REPLYX_')])}", None, None
"""


def test_a_plugin_s_reader_cannot_call_even_this_machine(tmp_path: Path) -> None:
    module, file = tmp_path / "talkative.py", tmp_path / "file"
    module.write_text(_PLUGIN)
    file.write_text("9")

    class Entry(TextExtractor):
        entry = f"{module}:read"

    kind = Entry("text/x", ("x",), b"", lambda path: [])
    found = read_document(file, kind, KnowledgeSettings(), lambda done, of: None)

    assert [block.text for block in found.blocks] == ["refused 0"]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSEGV])
def test_a_reader_that_is_killed_fails_alone(sent: signal.Signals, tmp_path: Path) -> None:
    module = tmp_path / "suicidal.py"
    module.write_text(f"import os\ndef read(path):\n    os.kill(os.getpid(), {int(sent)})\n")

    class Entry(TextExtractor):
        entry = f"{module}:read"

    with pytest.raises(Exception, match=r"too_heavy|corrupt"):
        read_document(module, Entry("text/x", (), b"", lambda path: []), KnowledgeSettings(), lambda done, of: None)
