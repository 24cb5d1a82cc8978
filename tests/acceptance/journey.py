"""The main job as a customer and a company do it: over HTTP and the socket only."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.documents import faq_pdf
from tests.support.http import Api, Json, Socket, log_in

_QUESTIONS = Path(__file__).with_name("faq_questions.json")


@dataclass(frozen=True)
class FaqQuestion:
    """A question about the Debian FAQ; `pages` are where it is answered, none where it is not."""

    language: str
    text: str
    pages: tuple[int, ...]


def faq_questions(language: str) -> tuple[list[FaqQuestion], list[FaqQuestion]]:
    """Questions in `language`: those that the FAQ answers, and those that it cannot."""
    rows = [
        FaqQuestion(row["lang"], row["question"], tuple(row["pages"]))
        for row in json.loads(_QUESTIONS.read_text(encoding="utf-8"))
    ]
    mine = [row for row in rows if row.language == language]
    return [row for row in mine if row.pages], [row for row in mine if not row.pages]


class Company:
    """The owner's side."""

    def __init__(self, base_url: str, email: str, password: str) -> None:
        self.base_url = base_url
        self.api = log_in(base_url, email, password)

    def make_assistant(self, **fields: Any) -> Json:
        body = {"name": "Техподдержка", "website_integration": True, "allowed_domains": ["shop.example"], **fields}
        made: Json = self.api.post("/api/assistants", body, expect=201)
        return made

    def teach(self, assistant_id: int, *languages: str, seconds: float = 120) -> dict[str, Json]:
        """Upload the FAQ in `languages` and wait until it is known; the documents by language."""
        sent = {
            language: self.api.upload(assistant_id, faq_pdf("ru" if language == "ru" else "en"))["id"]
            for language in languages
        }
        deadline = time.monotonic() + seconds
        while True:
            rows = {row["id"]: row for row in self.api.get("/api/documents")}
            documents = {language: rows[document_id] for language, document_id in sent.items()}
            states = {row["status"] for row in documents.values()}
            if states == {"completed"}:
                return documents
            if "failed" in states or time.monotonic() > deadline:
                pytest.fail(f"documents are not known after {seconds} s: {documents}")
            time.sleep(1)

    def balance(self) -> Decimal:
        return Decimal(str(self.api.get("/api/balance")["balance"]))

    def charges(self) -> list[Json]:
        """Every debit, newest first."""
        rows: list[Json] = self.api.get("/api/balance/transactions?type=debit&limit=200")["transactions"]
        return rows

    def close(self) -> None:
        self.api.client.close()


class Visitor:
    """A customer in the widget of `shop.example`."""

    def __init__(self, base_url: str, site_token: str, origin: str = "https://shop.example") -> None:
        self._headers = {"Origin": origin}
        self._anyone = Api(base_url, **self._headers)
        self.session: Json = self._anyone.post(
            "/api/widget/sessions", {"locale": "ru"}, expect=201, headers={"X-Site-Token": site_token}
        )
        self.api = Api(base_url, self.session["visitor_token"], **self._headers)
        self.socket: Socket | None = None

    def connect(self) -> Socket:
        """Open the socket and ask for everything from the beginning."""
        key, token = self.session["dialog_key"], self.session["visitor_token"]
        self.socket = self.api.socket(f"/ws/dialogs/{key}?token={token}", **self._headers)
        self.socket.send({"type": "resume", "last_seq": 0})
        return self.socket

    def ask(self, text: str, seconds: float = 60) -> Json:
        """Send a question through the socket; the assistant's whole answer."""
        assert self.socket is not None
        self.socket.send({"type": "send_message", "text": text})
        asked = self.socket.wait_for(lambda f: _is_message(f, "user") and f["message"]["text"] == text, seconds)
        answer: Json = self.socket.wait_for(lambda f: _is_message(f, "assistant") and f["seq"] > asked["seq"], seconds)[
            "message"
        ]
        return answer

    def ask_over_rest(self, text: str, seconds: float = 60) -> Json:
        """Send a question where sockets are blocked, and poll for the answer."""
        path = f"/api/widget/dialogs/{self.session['dialog_key']}/messages"
        asked = self.api.post(path, {"text": text}, expect=201)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for message in self.api.get(f"{path}?after_seq={asked['seq']}")["messages"]:
                if message["sender"] == "assistant":
                    found: Json = message
                    return found
            time.sleep(0.5)
        pytest.fail(f"no answer to {text!r} in {seconds} s")

    def history(self) -> list[Json]:
        path = f"/api/widget/dialogs/{self.session['dialog_key']}/messages?after_seq=0"
        rows: list[Json] = self.api.get(path)["messages"]
        return rows

    def deltas_of(self, reply_id: int) -> str:
        """What was streamed of an answer before it was whole, as the widget would have shown it."""
        assert self.socket is not None
        text = ""
        for frame in self.socket.frames:
            if frame["type"] == "message_delta" and frame["reply_id"] == reply_id:
                text = frame["text"] if frame["index"] == 0 else text + frame["text"]
        return text

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self._anyone.client.close()
        self.api.client.close()


def _is_message(frame: Json, sender: str) -> bool:
    return bool(frame["type"] == "new_message" and frame["message"]["sender"] == sender)


def sources_have_page(answer: Json, document: Json, pages: tuple[int, ...]) -> bool:
    """Whether a source of the answer is one of `pages` of the document."""
    return any(row["document_id"] == document["id"] and row["page"] in pages for row in answer["sources"])
