"""Operators at the desk: they take dialogs, write over REST and sockets, and give them back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, WebSocketException

from tests.chaos.load.running import Client, Kind, Stage
from tests.chaos.tenants import Tenant

_LOST = (OSError, WebSocketException, InvalidHandshake, InvalidMessage, EOFError, asyncio.TimeoutError)


def operators(tenant_name: str, *, pause: float = 1.0) -> Kind:
    """The owner and the operator of a tenant, at the same dialogs."""

    def make(stage: Stage) -> list[Client]:
        tenant = stage.people[tenant_name]
        tokens = {"owner": tenant.token, "desk": tenant.operator_token}
        return [Operator(stage, tenant, f"{tenant_name}-{who}", token, pause) for who, token in tokens.items()]

    return make


class Operator:
    """One person at the desk."""

    def __init__(self, stage: Stage, tenant: Tenant, name: str, token: str, pause: float) -> None:
        self._stage, self._tenant, self._name, self._token, self._pause = stage, tenant, name, token, pause
        self._dice = stage.dice(name)
        self._number = 0

    async def run(self) -> None:
        while not self._stage.is_over.is_set():
            if await self._stage.over_within(self._pause * (0.5 + self._dice.random())):
                break
            self._stage.serving += 1
            dialog = await self._choose()
            if dialog is not None:
                await self._serve(dialog)
            self._stage.serving -= 1
        await self._stage.may_leave.wait()

    async def _call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._token}"}
        answer, _ = await self._stage.rest.insist(method, self._stage.url + path, body, headers)
        return answer.status_code, answer.json() if answer.content else None

    async def _choose(self) -> int | None:
        """A dialog of the tenant: one that waits for a person, else any."""
        waiting = "handoff_status=requested&" if self._dice.random() < 0.7 else ""
        status, page = await self._call("GET", f"/api/dialogs?{waiting}limit=20")
        if status != 200:
            raise RuntimeError(f"the desk is shut: {status} {page}")
        foreign = [row["id"] for row in page["dialogs"] if row["assistant_id"] != self._tenant.assistant_id]
        for dialog in foreign:
            self._stage.history.add("foreign", who=self._name, dialog=dialog)
        rows = page["dialogs"]
        return self._dice.choice(rows)["id"] if rows else None

    async def _serve(self, dialog: int) -> None:
        """Take, write once or twice, give back. Whatever it comes to, the dialog is not kept."""
        status, _ = await self._call("POST", f"/api/dialogs/{dialog}/handoff/take", {})
        self._stage.history.add("take", who=self._name, dialog=dialog, status=status)
        if status != 200:
            return
        for _ in range(self._dice.randint(1, 2)):
            await asyncio.sleep(self._dice.random() * 0.3)
            await self._say(dialog)
        status, _ = await self._call("POST", f"/api/dialogs/{dialog}/handoff/release", {})
        self._stage.history.add("release", who=self._name, dialog=dialog, status=status)

    async def _say(self, dialog: int) -> None:
        self._number += 1
        key, text = f"{self._name}-{self._number}", f"{self._tenant.canary} отвечает человек {self._number}"
        self._stage.history.add("send", who=self._name, dialog=dialog, key=key, text=text)
        if self._dice.random() < 0.5 and await self._say_by_socket(dialog, key, text):
            return
        body = {"text": text, "client_msg_id": key}
        status, answer = await self._call("POST", f"/api/dialogs/{dialog}/messages", body)
        if status == 201:
            self._stage.history.add("ok", who=self._name, dialog=dialog, key=key, seq=answer["seq"], tries=1)
        else:
            self._stage.history.add("fail", who=self._name, dialog=dialog, key=key, code=answer["error"]["code"])

    async def _say_by_socket(self, dialog: int, key: str, text: str) -> bool:
        """Whether it was heard to have arrived; where not, it is posted under the same key."""
        url = f"{self._stage.url.replace('http', 'ws', 1)}/ws/dialogs/{dialog}"
        try:
            async with asyncio.timeout(5), connect(url, compression=None, proxy=None, close_timeout=1) as socket:
                await socket.send(json.dumps({"type": "auth", "token": self._token}))
                frame = {"type": "send_message", "text": text, "client_msg_id": key}
                await socket.send(json.dumps(frame, ensure_ascii=False))
                while True:
                    heard = await socket.recv()
                    message = json.loads(heard).get("message", {}) if heard != "__ping__" else {}
                    if message.get("client_msg_id") == key:
                        seq = message["seq"]
                        self._stage.history.add("ok", who=self._name, dialog=dialog, key=key, seq=seq, tries=1)
                        return True
        except _LOST:
            return False
