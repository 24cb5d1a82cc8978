"""Faults of what a machine has too little of: room on its disk, files, the right time."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from tests.chaos.checker.recovery import recoveries, spread
from tests.chaos.clock_shift import ClockShift
from tests.chaos.history import History
from tests.chaos.machine import Machine, Plan
from tests.chaos.scenarios.table import Asked, Finding, scenario
from tests.chaos.scenarios.trial import trial
from tests.chaos.tenants import PASSWORD, SITE

#: A file system of the process's own for its data; it is gone with the process.
_SMALL_DISK = (
    "unshare", "--mount", "--map-root-user", "sh", "-c",
    'mkdir -p "$REPLYX_DATA_DIR" && mount -t tmpfs -o size=64m tmpfs "$REPLYX_DATA_DIR" && exec "$@"', "sh",
)  # fmt: skip

#: Bytes that are left on the full disk, less than any database needs for a while.
_LEFT = 100 * 1024


@scenario(
    "F14",
    "the data's disk is full, then there is room again",
    "507 and nothing else; what was acknowledged is there; well within 10 s",
    "domain/test_database.py::test_a_full_disk_is_said_to_be_full_and_changes_nothing",
)
def disk_full(asked: Asked) -> Finding:
    finding, folder = Finding(), asked.folder / "F14"
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan("sqlite", "up", asked.checkout, wrappers={"*": _SMALL_DISK})
    with History(folder / "history.jsonl") as history, Machine(folder, history, plan) as machine:
        # What the process sees as its data directory.
        pid = machine.supervisor["up"].pid
        data = Path(f"/proc/{pid}/root{machine.box.environment['REPLYX_DATA_DIR']}")
        with httpx2.Client(base_url=machine.url, timeout=30, trust_env=False) as client:
            token, assistant = _tenant(client)
            visitor = _Visitor(client, assistant["site_token"])
            visitor.say("before")
            _fill(data, _LEFT)
            refused = [visitor.say(f"full-{number}") for number in range(100)]
            upload = _upload(client, token, assistant["id"])
            readable = client.get("/api/dialogs", headers=_bearer(token)).status_code
            (data / "filler").unlink()
            since = time.monotonic()
            while visitor.say("after") != 201 and time.monotonic() - since < 60:
                time.sleep(0.1)
            finding.expect("accepts again after", round(time.monotonic() - since, 2), 10)
        finding.figures.append(f"{refused.count(507)} of 100 answered 507, an upload {upload}")
        finding.require(set(refused) <= {201, 507} and 507 in refused, f"answers were {sorted(set(refused))}")
        finding.require(upload == 507, f"an upload was answered with {upload}")
        finding.require(readable == 200, f"reading was answered with {readable}")
        finding.require(machine.supervisor["up"].starts == 1, "the process did not live through it")
        # A copy: SQLite would take the way into the other file system for one in ours.
        for file in ("replyx.db", "replyx.db-wal"):
            shutil.copy(data / file, folder / file)
        with closing(sqlite3.connect(folder / "replyx.db")) as connection:
            stored = {row[0] for row in connection.execute("SELECT external_id FROM messages WHERE sender = 'user'")}
            sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
        finding.require(stored == visitor.accepted, f"acknowledged and stored differ: {stored ^ visitor.accepted}")
        finding.require(sound == "ok", f"integrity_check: {sound}")
    return finding


def _tenant(client: httpx2.Client) -> tuple[str, dict[str, Any]]:
    """An owner's token and its assistant, made over the API: a command would not see this process's disk."""
    person = {"email": "anna@example.com", "password": PASSWORD}
    token: str = client.post("/api/auth/register", json=person).json()["access_token"]
    body = {"name": "Shop", "ai_model": "extractive", "website_integration": True, "allowed_domains": ["shop.example"]}
    made: dict[str, Any] = client.post("/api/assistants", json=body, headers=_bearer(token)).json()
    return token, made


class _Visitor:
    """A customer who posts, and remembers what was acknowledged."""

    def __init__(self, client: httpx2.Client, site_token: str) -> None:
        self._client = client
        headers = {"X-Site-Token": site_token, "Origin": SITE}
        opened: dict[str, Any] = client.post("/api/widget/sessions", json={}, headers=headers).json()
        self._path = f"/api/widget/dialogs/{opened['dialog_key']}/messages"
        self._headers = {**_bearer(opened["visitor_token"]), "Origin": SITE}
        self.accepted: set[str] = set()

    def say(self, key: str) -> int:
        body = {"text": f"{key} " + "вопрос " * 500, "client_msg_id": key}
        status: int = self._client.post(self._path, json=body, headers=self._headers).status_code
        if status == 201:
            self.accepted.add(key)
        return status


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _upload(client: httpx2.Client, token: str, assistant_id: int) -> int:
    answer = client.post(
        "/api/documents/upload",
        data={"assistant_id": str(assistant_id)},
        files={"file": ("words.txt", b"words " * 100_000)},
        headers=_bearer(token),
    )
    status: int = answer.status_code
    return status


def _fill(folder: Path, left: int) -> None:
    """Take what is free of the folder's file system, but for `left` bytes."""
    with (folder / "filler").open("wb") as file:
        # What the process itself writes meanwhile takes of the same room.
        while (room := os.statvfs(folder)).f_bavail * room.f_bsize > left:
            file.write(b"x" * room.f_bsize)
            file.flush()


@scenario("F16", "a server with 256 files and 400 sockets", "it refuses and goes on; nobody else is hit; it recovers")
def few_files(asked: Asked) -> Finding:
    plan = Plan(asked.database, wrappers={"server": ("prlimit", "--nofile=256:256")})
    with trial(asked, "F16", plan=plan) as made:
        made.strike("server")
        address = ("127.0.0.1", int(made.machine.url.rsplit(":", 1)[1]))
        sockets = _crowd(address, 400)
        time.sleep(3)
        for one in sockets:
            one.close()
        made.recover()
        made.finding.require(made.machine.supervisor["server"].starts == 1, "the server did not live through it")
        made.finding.figures.append(f"{len(sockets)} sockets")
    made.finding.expect("longest wait for an answer", spread(recoveries(made.story))[1], 20)
    return made.finding


def _crowd(address: tuple[str, int], count: int) -> list[Any]:
    import socket

    found = []
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(address)
        found.append(one)
    return found


#: Where the clocks of the whole box are set to, in seconds from the right time: what a box without a battery, a
#: virtual machine that slept, and a careless clock in the nights of summer time do, forward and back.
_JUMPS = (61, 0, 3600, 0, -3600, 0, 86_400, 0)


@scenario(
    "F13",
    "wall clocks: workers two minutes apart; the box jumps by a minute, an hour either way, a day, and back",
    "nothing doubled; well within 20 s after each",
)
def wrong_clocks(asked: Asked) -> Finding:
    folder = asked.folder / "F13"
    folder.mkdir(parents=True, exist_ok=True)
    # On SQLite all processes are on one box, and have its one clock.
    apart = (120, -120) if asked.database == "postgres" else (0, 0)
    box = ClockShift(folder, "box")
    workers = [ClockShift(folder, f"worker-{number}", shift) for number, shift in enumerate(apart, 1)]
    environments = {f"worker-{number}": clock.environment for number, clock in enumerate(workers, 1)}
    plan = Plan(asked.database, environments={"server": box.environment, "bots": box.environment, **environments})
    with trial(asked, "F13", plan=plan, mixture=[(1, {}), (1, {"words_per_second": 40})]) as made:
        made.more(40)
        made.strike("worker-1")
        made.machine.kill("worker-1")
        made.recover()
        for shift in _JUMPS:
            made.strike("clocks", seconds=shift)
            box.move_to(shift)
            for clock, by in zip(workers, apart, strict=True):
                clock.move_to(shift + by)
            made.recover()
    made.finding.expect("longest wait for an answer", spread(recoveries(made.story))[1], 20)
    return made.finding
