"""Throwing files at a running `replyx up` as its owner does, by upload, and watching its event loop from inside."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile.corpus import File
from tests.hostile.throwing import Fate
from tests.support.http import Api, log_in
from tests.support.processes import Box, open_box

#: Seconds in which every file has to be done with.
_MOST_SECONDS = 1500.0
#: Files that may wait to be read: more are sent once some are done.
_WAITING = 8

#: A plugin that looks at the clock from the server's event loop, every 2 ms.
_PULSE = '''
"""Tells how late the event loop is."""

import asyncio
import time

import anyio.from_thread

from replyx.plugins.hooks import Plugin, PluginAnswer, PluginRoute

_TICK = 0.002


class Pulse(Plugin):
    def routes(self):
        routes = (("POST", "start", self.start), ("GET", "told", self.told))
        return [PluginRoute(method, path, "user", handler, "-") for method, path, handler in routes]

    def start(self, request):
        self.late, self.own = [], []
        anyio.from_thread.run(self._begin)
        return PluginAnswer({})

    def told(self, request):
        return PluginAnswer({"late": self.late, "own": self.own})

    async def _begin(self):
        self.task = asyncio.create_task(self._beat())

    async def _beat(self):
        while True:
            before, worked = time.monotonic(), time.thread_time()
            await asyncio.sleep(_TICK)
            self.late.append((time.monotonic() - before - _TICK) * 1000)
            self.own.append((time.thread_time() - worked) * 1000)
'''


@dataclass(frozen=True)
class Served:
    """What became of the files, and the loop's ticks in milliseconds: how late each was, what it worked meanwhile."""

    fates: list[Fate]
    late: list[float]
    own: list[float]
    still_answers: bool

    @property
    def worst(self) -> float:
        return max(self.late, default=0.0)

    @property
    def hardest(self) -> float:
        """The longest that the loop itself worked between two ticks: no other thread or program is to blame for it."""
        return max(self.own, default=0.0)

    def share_over(self, milliseconds: float) -> float:
        return sum(tick > milliseconds for tick in self.late) / max(1, len(self.late))


def serve_all(files: Sequence[File], folder: Path) -> Served:
    """Upload all files to a server of its own, and wait until each is read or refused."""
    with open_box(folder, REPLYX_LIMITS__ENABLED="false") as box:
        plugins = box.data_dir / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "pulse.py").write_text(_PULSE, encoding="utf-8")
        api = _started(box)
        try:
            assistant = api.get("/api/assistants")[0]["id"]
            _upload(api, assistant, ("delivery.md", "Доставка по городу бесплатна.".encode()))
            _wait(api, 0)
            api.post("/api/plugins/pulse/start")
            fates = _thrown(api, assistant, files)
            told = api.get("/api/plugins/pulse/told")
            asked = {"assistant_id": assistant, "q": "Сколько стоит доставка?"}
            found = api.get("/api/knowledge/search", params=asked)
        finally:
            api.client.close()
    return Served(fates, told["late"], told["own"], bool(found["answerable"]))


def _started(box: Box) -> Api:
    program = box.start("up", "--port", "0")
    address = program.wait_for_line(r"^ready (http://\S+)$", 120)[1]
    password = re.search(r"^password (\S+)$", program.out, re.MULTILINE)
    return log_in(address, "admin@replyx.local", password[1] if password else "")


def _thrown(api: Api, assistant: int, files: Sequence[File]) -> list[Fate]:
    refused, names = [], {}
    for file in files:
        _wait(api, _WAITING)
        answer = _upload(api, assistant, file)
        if answer.status_code == 201:
            names[answer.json()["id"]] = file[0]
        else:
            outcome = "refused" if 400 <= answer.status_code < 500 else f"HTTP {answer.status_code}"
            refused.append(Fate(file[0], outcome, answer.json()["error"]["code"], 0.0))
    _wait(api, 0)
    done = {row["id"]: row for row in _documents(api)}
    fates = []
    for number, name in names.items():
        row = done.get(number, {"status": "lost", "error": None})
        fates.append(Fate(name, row["status"], (row["error"] or {}).get("code", ""), 0.0))
    return [*refused, *fates]


def _upload(api: Api, assistant: int, file: File) -> Any:
    name, content = file
    form = {"data": {"assistant_id": str(assistant)}, "files": {"file": (name, content)}}
    return api.client.post("/api/documents/upload", **form)  # type: ignore[arg-type]


def _wait(api: Api, most: int) -> None:
    """Until at most so many documents wait to be read; those that do are the newest."""
    deadline = time.monotonic() + _MOST_SECONDS
    newest = {"limit": 100}
    while sum(row["status"] == "processing" for row in api.get("/api/documents", params=newest)) > most:
        if time.monotonic() > deadline:
            raise TimeoutError("the documents are not read")
        time.sleep(0.5)


def _documents(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = api.get("/api/documents", params={"limit": 100, "offset": len(found)})
        found += page
        if len(page) < 100:
            return found
