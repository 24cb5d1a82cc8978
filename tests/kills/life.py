"""One message from a visitor's keyboard to its outcome, while processes die or calls fail; and what must hold then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from replyx.app import App
from replyx.storage.billing import Hold, LedgerTransfer
from replyx.storage.dialogs import Dialog, Event, Message, Reply
from replyx.testing.llm_server import FakeLLM
from tests.kills.nursery import Child, Nursery
from tests.kills.switch import Plan
from tests.support.desk import Desk, open_desk
from tests.support.http import Json

SITE = "https://shop.example"

#: Seconds in which a message comes to its outcome with nobody's help: five leases, and room for a busy machine.
_SECONDS = 60.0

#: Seconds between the attempts of a client whose server is away.
_AGAIN = 0.05


@dataclass
class Roles:
    """The processes of one installation, by the command that starts each; whoever dies is started again, clean."""

    nursery: Nursery
    environment: dict[str, str]
    commands: Sequence[str]
    running: dict[str, Child] = field(default_factory=dict)
    deaths: int = 0

    def start(self, command: str, plan: Plan | None = None) -> None:
        """Start a role, ended before where it runs, and wait until it is ready or, as planned, dead."""
        self.end(command)
        options = ["--port", "0"] if command in ("up", "server") else []
        self.running[command] = self.nursery.start([command, *options], self.environment, plan)
        self.running[command].ready()

    def tend(self) -> None:
        """Start again what has died, and what never ran."""
        for command in self.commands:
            child = self.running.get(command)
            if child is None or not child.is_running:
                self.deaths += child is not None
                self.start(command)

    def end(self, command: str) -> None:
        if command in self.running:
            self.running.pop(command).kill()

    def end_all(self) -> None:
        for command in list(self.running):
            self.end(command)

    @property
    def url(self) -> str:
        """Where the server of this moment listens."""
        server = next(child for command, child in self.running.items() if command in ("up", "server"))
        return server.ready() or ""

    @property
    def said(self) -> str:
        return "".join(child.said for child in self.running.values())


@dataclass
class Shop:
    """The installation's record, seen from the test's process, and a visitor of its site."""

    desk: Desk
    roles: Roles
    count: int = 0

    @property
    def app(self) -> App:
        return self.desk.app

    def ask(self, site_token: str | None, text: str) -> tuple[int, Json]:
        """A new visitor's message to an assistant, sent until it is accepted: the dialog's id, and the receipt."""
        self.count += 1
        session = self._post("/api/widget/sessions", {"locale": "ru"}, {"X-Site-Token": site_token or ""})
        bearer = {"Authorization": f"Bearer {session['visitor_token']}"}
        path = f"/api/widget/dialogs/{session['dialog_key']}/messages"
        receipt = self._post(path, {"text": text, "client_msg_id": f"message-{self.count}"}, bearer)
        return int(session["dialog_id"]), receipt

    def live(self) -> None:
        """One message's life, from a new visitor to its outcome, and the rules that must hold then."""
        dialog_id, receipt = self.ask(self.desk.assistant.site_token, "Сколько стоит доставка?")
        deadline = time.monotonic() + _SECONDS
        while not self._has_outcome(dialog_id):
            self.roles.tend()
            assert time.monotonic() < deadline, f"no outcome: {self._state(dialog_id)}\n{self.roles.said[-3000:]}"
            time.sleep(_AGAIN)
        self._check(dialog_id, receipt)

    def _post(self, path: str, body: Json, headers: dict[str, str]) -> Json:
        """Send until it is accepted, as the widget does: to whoever serves at that moment, with the same body."""
        deadline = time.monotonic() + _SECONDS
        answer: httpx2.Response | None = None
        while time.monotonic() < deadline:
            self.roles.tend()
            with suppress(httpx2.HTTPError, httpx2.InvalidURL):
                answer = httpx2.post(
                    self.roles.url + path, json=body, headers={"Origin": SITE, **headers}, timeout=10, trust_env=False
                )
                if answer.status_code == 201:
                    accepted: Json = answer.json()
                    return accepted
                if answer.status_code < 500:
                    pytest.fail(f"{path}: {answer.status_code} {answer.text[:500]}")
            time.sleep(_AGAIN)
        pytest.fail(f"{path} was not accepted: {answer and answer.text[:500]}\n{self.roles.said[-3000:]}")

    def _has_outcome(self, dialog_id: int) -> bool:
        with self.app.db.connection():
            return Message.select().where((Message.dialog == dialog_id) & (Message.sender == "assistant")).exists()

    def _state(self, dialog_id: int) -> Any:
        with self.app.db.connection():
            return list(Reply.select().where(Reply.dialog == dialog_id).dicts())

    def _check(self, dialog_id: int, receipt: Json) -> None:
        """Once each: the message, its outcome, its price; every number in its place; nothing left open."""
        with self.app.db.connection():
            said = list(Message.select().where(Message.dialog == dialog_id).order_by(Message.seq))
            numbers = [row.seq for row in Event.select().where(Event.dialog == dialog_id).order_by(Event.seq)]
            replies = list(Reply.select().where(Reply.dialog == dialog_id))
            dialog = Dialog.get_by_id(dialog_id)
            paid = [
                row.amount
                for row in LedgerTransfer.select().where(LedgerTransfer.kind == "capture")
                if (row.details or {}).get("dialog_id") == dialog_id
            ]
            open_holds = {row.id for row in Hold.select(Hold.id).where(Hold.state == "open")}
            others = {row.hold_id for row in Reply.select(Reply.hold_id).where(Reply.state == "working")}
        assert [row.sender for row in said] == ["user", "assistant"]
        assert (said[0].id, said[0].seq) == (receipt["id"], receipt["seq"])
        assert numbers == list(range(1, dialog.last_seq + 1))
        if said[1].outcome == "answered":
            assert ([row.state for row in replies], paid) == (["done"], [500])
        else:
            assert (said[1].outcome, dialog.handoff_status) == ("unavailable", "requested")
            assert ([row.state for row in replies], paid) == (["dead"], [])
        assert open_holds <= others
        report = self.app.ledger.verify()
        assert report.ok, report


def make_shop(app: App, llm: FakeLLM, roles: Roles) -> Shop:
    """A shop with 1,000 roubles whose assistant stands on `SITE`."""
    desk = open_desk(app, llm, balance=10_000_000)
    app.assistants.update(desk.owner, desk.assistant.id, {"allowed_domains": ["shop.example"]})
    return Shop(desk, roles)


def surroundings(folder: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of every process of an installation in `folder`."""
    given = {
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "REPLYX_DATA_DIR": str(folder),
        "REPLYX_DATABASE__URL": database_url,
        "REPLYX_ANSWERS__LEASE_SECONDS": "1",
        "REPLYX_LIMITS__ENABLED": "false",
    }
    return given | ({"REPLYX_REDIS__URL": redis_url} if redis_url else {})
