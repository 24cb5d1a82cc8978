"""Who fills an assistant's shelf while everything dies: documents are uploaded, and some of them deleted again."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.load.running import Client, Kind, Stage
from tests.chaos.tenants import Tenant

#: Paragraphs of a document, so that it has several chunks.
_PARAGRAPHS = 12

_SENTENCE = "Слова о доставке и возврате. "


def librarians(tenant_name: str, *, pause: float = 2.0) -> Kind:
    """The owner of a tenant, at the documents of an assistant that nobody asks."""
    return lambda stage: [_librarian(stage, tenant_name, pause)]


def _librarian(stage: Stage, tenant_name: str, pause: float) -> Client:
    return Librarian(stage, stage.people[tenant_name], pause)


class Librarian:
    """One person with a shelf."""

    def __init__(self, stage: Stage, tenant: Tenant, pause: float) -> None:
        self._stage, self._tenant, self._pause = stage, tenant, pause
        self._name = f"{tenant.name}-shelf"
        self._dice = stage.dice(self._name)
        self._shelf: list[int] = []
        self._number = 0

    async def run(self) -> None:
        assistant = await self._assistant()
        while not await self._stage.over_within(self._pause * (0.5 + self._dice.random())):
            self._stage.serving += 1
            await self._upload(assistant)
            if len(self._shelf) > 3 and self._dice.random() < 0.5:
                await self._remove(self._shelf.pop(self._dice.randrange(len(self._shelf))))
            self._stage.serving -= 1
        await self._stage.may_leave.wait()

    async def _assistant(self) -> int:
        answer = await self._insist("POST", "/api/assistants", {"name": "shelf", "ai_model": "extractive"}, "shelf")
        number: int = answer.json()["id"]
        return number

    async def _upload(self, assistant: int) -> None:
        self._number += 1
        name = f"{self._name}-{self._number}.txt"
        words = "\n\n".join(
            f"Раздел {n} книги {name}. " + "Слова о доставке и возврате. " * 8 for n in range(_PARAGRAPHS)
        )
        form = {"data": {"assistant_id": str(assistant)}, "files": {"file": (name, words.encode())}}
        answer = await self._insist("POST", "/api/documents/upload", None, name, form)
        if answer.status_code != 201:
            raise RuntimeError(f"no upload: {answer.status_code} {answer.text}")
        self._shelf.append(answer.json()["id"])
        self._stage.history.add("uploaded", who=self._name, document=self._shelf[-1], name=name)

    async def _remove(self, document: int) -> None:
        answer, tries = await self._stage.rest.insist(
            "DELETE", f"{self._stage.url}/api/documents/{document}", headers=self._headers()
        )
        if answer.status_code != 204 and (answer.status_code, tries > 1) != (404, True):
            raise RuntimeError(f"no deletion: {answer.status_code} {answer.text}")
        self._stage.history.add("removed", who=self._name, document=document)

    async def _insist(self, method: str, path: str, body: Any, key: str, form: dict[str, Any] | None = None) -> Any:
        """The first answer; what is still under way at another process is asked for again."""
        headers = self._headers() | {"Idempotency-Key": f"{self._name}-{key}"}
        while True:
            answer, _ = await self._stage.rest.insist(method, self._stage.url + path, body, headers, form)
            if answer.status_code != 409:
                return answer
            await asyncio.sleep(0.5)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tenant.token}"}
