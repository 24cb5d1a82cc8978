"""Requests a second, beside a bare Starlette route; and a page of dialogs among a hundred thousand."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from bench.installation import Installation, installation
from bench.table import Row
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog
from tests.support.http import Api, log_in

#: Clients that ask one after another, all at the same time.
_CLIENTS = 4

#: Dialogs of the small tenant, and of the large one.
_FEW, _MANY = 100, 100_000

_PASSWORD = "long-enough-7x"

#: The floor: an answer of nothing by uvicorn and Starlette, with the loop and the parser that ReplyX runs on.
_BARE = """
import socket, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def alive(request):
    return JSONResponse({"status": "ok"})

bound = socket.create_server(("127.0.0.1", 0), backlog=1024)
print(bound.getsockname()[1], flush=True)
app = Starlette(routes=[Route("/healthz", alive)])
uvicorn.Server(uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")).run([bound])
"""


def run(*, quick: bool) -> list[Row]:
    """Requests a second without login and of a list of 50 dialogs; a page of many dialogs beside one of few."""
    seconds, rounds = (2.0, 60) if quick else (8.0, 300)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replyx-bench-")))
        here = stack.enter_context(installation(folder))
        few, many = (stack.enter_context(_tenant(here, folder, count)) for count in (_FEW, _MANY))
        bare = _rate(Api(stack.enter_context(_bare_server())), "/healthz", seconds)
        alive = _rate(Api(here.base_url), "/healthz", seconds)
        listed = _rate(few, "/api/dialogs", seconds)
        rows = [
            Row("GET /healthz, requests a second", alive, "1/s", floor=bare, ratio=alive / bare),
            Row("GET /api/dialogs (50), requests a second", listed, "1/s", floor=bare, ratio=listed / bare),
        ]
        for name, query in (
            ("a page", ""),
            ("a page of one assistant", "?assistant_id={assistant}"),
            ("a page of what waits for a person", "?handoff_status=requested"),
            ("a page of the archive", "?status=archived"),
        ):
            rows.append(_page(f"{name} of 50 out of {_MANY:,} dialogs", few, many, f"/api/dialogs{query}", rounds))
        return rows


def _page(name: str, few: Api, many: Api, path: str, rounds: int) -> Row:
    """The median time of the page among many dialogs, beside the same among few."""
    took: dict[int, list[float]] = {0: [], 1: []}
    urls = [path.format(assistant=api.get("/api/assistants")[0]["id"]) for api in (few, many)]
    for n in range(rounds + 5):
        # Turn and turn about, so that both meet the same machine.
        for which, api in enumerate((few, many)):
            started = time.perf_counter()
            shown = len(api.get(urls[which])["dialogs"])
            if shown == 0:
                raise RuntimeError(f"nothing is listed at {urls[which]}")
            if n >= 5:
                took[which].append(time.perf_counter() - started)
    floor, value = (statistics.median(took[which]) * 1000 for which in (0, 1))
    ratio = value / floor
    return Row(name, value, "ms", floor=floor, ratio=ratio, goal=f"as out of {_FEW}", is_met=ratio <= 1.25)


def _rate(api: Api, path: str, seconds: float) -> float:
    """Answers a second to clients that each keep one connection."""
    done, barrier = [0] * _CLIENTS, threading.Barrier(_CLIENTS + 1)
    address = urlsplit(api.base_url).netloc
    headers = {"Authorization": api.client.headers.get("Authorization", "")}

    def ask(which: int) -> None:
        # The standard library's client: it takes a fraction of what the others take from the machine.
        with closing(HTTPConnection(address)) as connection:
            _get(connection, path, headers)
            barrier.wait(60)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                _get(connection, path, headers)
                done[which] += 1

    threads = [threading.Thread(target=ask, args=(which,)) for which in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    barrier.wait(60)
    started = time.monotonic()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - started)


def _get(connection: HTTPConnection, path: str, headers: dict[str, str]) -> None:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")


@contextmanager
def _bare_server() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", _BARE], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            # It listens already: who comes now waits until it serves.
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


@contextmanager
def _tenant(here: Installation, folder: Path, count: int) -> Iterator[Api]:
    """A user with `count` dialogs, put into the tables directly: through the widget they would take an hour."""
    email = f"with-{count}@example.com"
    done = here.box.run("users", "create", email, "--password-stdin", "--json", stdin=_PASSWORD)
    if done.code:
        raise RuntimeError(done.err)
    with log_in(here.base_url, email, _PASSWORD) as api:
        made = api.post("/api/assistants", {"name": "Bench", "website_integration": True}, expect=201)
        other = api.post("/api/assistants", {"name": "Other"}, expect=201)
        _fill(next(folder.rglob("replyx.db")), email, [made["id"], other["id"]], count)
        yield api


def _fill(file: Path, email: str, assistants: list[int], count: int) -> None:
    db = Database(f"sqlite:///{file}", pool=2, timeout=30)
    try:
        with db.connection():
            user = User.get(User.email == email)
            created = Assistant.get_by_id(assistants[0]).created_at
        for start in range(0, count, 5000):
            with db.transaction():
                Dialog.insert_many(
                    {
                        "assistant": assistants[n % 50 == 1],
                        "user": user.id,
                        "platform": "telegram" if n % 50 == 2 else "website",
                        "dialog_key": f"{user.id:08x}{n:024x}",
                        "first_name": "Иван",
                        # Some of each, of which the newest are no more than in the small tenant.
                        "status": "archived" if n < 60 else "active",
                        "handoff_status": "requested" if n < 60 else "none",
                        "last_message": "Как вернуть товар?",
                        "last_message_time": created,
                        "created_at": created,
                    }
                    for n in range(start, min(start + 5000, count))
                ).execute()
    finally:
        db.close()
