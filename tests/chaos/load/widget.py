"""Customers in the website widget: sockets with resume, messages under ids of their own, now and then plain POST."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, WebSocketException
from websockets.typing import Origin

from tests.chaos.load.questions import QUESTIONS
from tests.chaos.load.running import WIDGET, Client, Kind, Stage
from tests.chaos.tenants import SITE, Tenant

#: What a broken connection looks like.
_LOST = (OSError, WebSocketException, InvalidHandshake, InvalidMessage, EOFError, asyncio.TimeoutError)

#: Seconds that a customer waits for an answer before it says something else all the same.
_PATIENCE = 20.0

#: Seconds without a word after which a socket is given up, as the widget does with what it sent.
_SILENCE = 10.0


def visitors(tenant_name: str, count: int) -> Kind:
    """`count` customers of a tenant."""

    def make(stage: Stage) -> list[Client]:
        tenant = stage.people[tenant_name]
        return [Visitor(stage, tenant, f"{tenant_name}-{number}") for number in range(count)]

    return make


class Visitor:
    """One customer with one dialog, who sees every event of it once and in order."""

    def __init__(self, stage: Stage, tenant: Tenant, name: str) -> None:
        self._stage, self._tenant, self._name = stage, tenant, name
        self._dice = stage.dice(name)
        self._session: dict[str, Any] = {}
        self._socket: ClientConnection | None = None
        self._last_seq = 0
        #: Whether anything was accepted on the present connection; before it, strays are no disorder.
        self._is_in_step = False
        self._unsent: dict[str, str] = {}
        self._acked: dict[str, asyncio.Event] = {}
        self._answered = asyncio.Event()
        self._number = 0

    async def run(self) -> None:
        await self._open()
        listening = asyncio.create_task(self._keep_connected())
        try:
            await asyncio.sleep(self._dice.random() * self._stage.pause * 4)
            while not self._stage.is_over.is_set() and self._stage.take_turn(WIDGET):
                await self._say()
                await self._rest()
            await self._stage.may_leave.wait()
            self._note("end", last_seq=self._last_seq)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    @property
    def dialog_id(self) -> int:
        number: int = self._session["dialog_id"]
        return number

    def _note(self, op: str, **fields: Any) -> None:
        self._stage.history.add(op, who=self._name, dialog=self._session.get("dialog_id"), **fields)

    async def _open(self) -> None:
        headers = {"Origin": SITE, "X-Site-Token": self._tenant.site_token}
        token = self._session.get("visitor_token")
        answer, _ = await self._stage.rest.insist(
            "POST", f"{self._stage.url}/api/widget/sessions", {"visitor_token": token}, headers
        )
        if answer.status_code != 201:
            raise RuntimeError(f"no session: {answer.status_code} {answer.text}")
        self._session = answer.json()
        self._last_seq = self._stage.heads[self.dialog_id] = self._session["last_seq"]
        self._note("watch", from_seq=self._last_seq, tenant=self._tenant.name)

    async def _say(self) -> None:
        self._number += 1
        key = f"{self._name}-{self._number}"
        text = f"{self._tenant.canary} вопрос {key}: {self._dice.choice(QUESTIONS)}"
        self._acked[key] = asyncio.Event()
        self._stage.pending.add(key)
        self._answered.clear()
        self._note("send", key=key, text=text)
        way = self._dice.random()
        if way < 0.01:
            await self._say_and_leave(key, text)
        elif way < 0.11:
            await self._post(key, text)
        else:
            self._unsent[key] = text
            await self._transmit(key, text)
        await self._acked[key].wait()

    async def _say_and_leave(self, key: str, text: str) -> None:
        """A tab that is closed right after: nobody knows whether it was heard; the customer comes back later."""
        await self._transmit(key, text)
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.transport.abort()
        self._note("gone", key=key)
        self._settle(key)

    async def _post(self, key: str, text: str) -> None:
        url = f"{self._stage.url}/api/widget/dialogs/{self._session['dialog_key']}/messages"
        headers = {"Authorization": f"Bearer {self._session['visitor_token']}", "Origin": SITE}
        if self._dice.random() < 0.5:
            headers["Idempotency-Key"] = key
        while True:
            answer, tries = await self._stage.rest.insist("POST", url, {"text": text, "client_msg_id": key}, headers)
            if answer.status_code != 409:
                break
            await asyncio.sleep(0.5)
        if answer.status_code == 201:
            self._accept(key, answer.json()["seq"], tries)
        else:
            self._refuse(key, answer.json()["error"]["code"])

    async def _transmit(self, key: str, text: str) -> None:
        if self._socket is not None:
            await self._emit({"type": "send_message", "text": text, "client_msg_id": key})

    async def _emit(self, frame: dict[str, Any]) -> None:
        socket = self._socket
        if socket is not None:
            with suppress(*_LOST):
                await socket.send(json.dumps(frame, ensure_ascii=False))

    async def _rest(self) -> None:
        """Mostly wait for the answer, as people do; now and then go on at once."""
        if self._dice.random() < 0.85:
            waiting = [asyncio.ensure_future(event.wait()) for event in (self._answered, self._stage.is_over)]
            _, pending = await asyncio.wait(waiting, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
        await asyncio.sleep(self._dice.random() * 2 * self._stage.pause)

    async def _keep_connected(self) -> None:
        url = self._stage.url.replace("http", "ws", 1) + f"/ws/dialogs/{self._session['dialog_key']}"
        tries = 0
        while True:
            heard = False
            try:
                async with connect(
                    url, origin=Origin(SITE), compression=None, proxy=None, open_timeout=5, close_timeout=1
                ) as socket:
                    heard = await self._listen(socket)
            except _LOST as error:
                self._note("lost", cause=type(error).__name__)
            self._socket = None
            tries = 0 if heard else tries + 1
            await asyncio.sleep(min(2.0, 0.1 * 1.6**tries) * (0.5 + self._dice.random()))

    async def _listen(self, socket: ClientConnection) -> bool:
        self._is_in_step = False
        await socket.send(json.dumps({"type": "auth", "token": self._session["visitor_token"]}))
        await socket.send(json.dumps({"type": "resume", "last_seq": self._last_seq}))
        self._socket = socket
        for key, text in list(self._unsent.items()):
            await self._transmit(key, text)
        heard = False
        while True:
            try:
                async with asyncio.timeout(_SILENCE):
                    said = await socket.recv()
                if not heard:
                    self._note("connected")
            except TimeoutError:
                if not self._unsent:
                    continue
                # Sent, and not a word of it: the widget sends it again, over a new line.
                return heard
            heard = True
            if said == "__ping__":
                await socket.send("__pong__")
            else:
                await self._receive(json.loads(said))

    async def _receive(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "resync":
            self._note("resync", last_seq=self._last_seq, head=frame["last_seq"])
        elif frame["type"] == "error":
            await self._error(frame)
        elif "seq" in frame:
            self._event(frame)

    async def _error(self, frame: dict[str, Any]) -> None:
        key, code = frame.get("client_msg_id"), frame["error"]["code"]
        if code in ("SERVICE_UNAVAILABLE", "INTERNAL_ERROR", "INSUFFICIENT_STORAGE") or key not in self._unsent:
            self._note("error", key=key, code=code)
            await asyncio.sleep(0.3)
            if key in self._unsent:
                await self._transmit(key, self._unsent[key])
        else:
            self._refuse(key, code)

    def _event(self, frame: dict[str, Any]) -> None:
        seq, message = frame["seq"], frame.get("message", {})
        key = message.get("client_msg_id")
        if seq <= self._last_seq:
            # An echo of what was sent twice is the answer that was waited for; anything else was seen before.
            if key in self._unsent:
                self._accept(key, seq, 1)
            elif self._is_in_step:
                self._note("again", seq=seq)
            return
        if seq > self._last_seq + 1:
            if self._is_in_step:
                self._note("gap", seq=seq, last_seq=self._last_seq)
            return
        self._last_seq = self._stage.heads[self.dialog_id] = seq
        self._is_in_step = True
        self._note(
            "event",
            seq=seq,
            type=frame["type"],
            message=message.get("id"),
            sender=message.get("sender"),
            text=message.get("text"),
            reply=message.get("reply_id"),
            outcome=message.get("outcome"),
            key=key,
        )
        if key in self._unsent:
            self._accept(key, seq, 1)
        if message.get("sender") in ("assistant", "operator"):
            self._answered.set()

    def _accept(self, key: str, seq: int, tries: int) -> None:
        self._unsent.pop(key, None)
        self._note("ok", key=key, seq=seq, tries=tries)
        self._settle(key)

    def _refuse(self, key: str, code: str) -> None:
        self._unsent.pop(key, None)
        self._note("fail", key=key, code=code)
        self._settle(key)

    def _settle(self, key: str) -> None:
        self._stage.settled += 1
        self._stage.pending.discard(key)
        self._acked[key].set()
