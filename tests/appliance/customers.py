"""Customers inside the machine: they ask until the standard input ends, then print what they saw, as JSON.

    python customers.py URL SITE_TOKEN CUSTOMERS [CERTIFICATE]

Each asks by a socket and by REST in turn. A refused connection, a reset, a status that is no success and an answer that
does not come are errors; a socket that the server closes as it ends is opened again, as the widget does.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import threading
import time
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

_ORIGIN = {"Origin": "https://shop.example"}

#: Seconds in which an answer must come, whatever is restarted.
_PATIENCE = 180

#: Seconds of a socket's silence after which it is opened anew, as the widget does: until what was said is shown, and
#: after that. A proxy holds a socket open to a host that is gone.
_NO_ECHO, _NO_WORD = 10.0, 65.0


class Customer:
    """One visitor with a dialog of its own."""

    def __init__(self, url: str, site_token: str, number: int, trusted: ssl.SSLContext | bool) -> None:
        self.url, self.number, self._trusted = url, number, trusted
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.slowest = 0.0
        self._last_seq = self._asked_at = self._count = 0
        session = self._request("POST", "/api/widget/sessions", {"X-Site-Token": site_token}, {"locale": "ru"})
        self._key, self._token = session["dialog_key"], session["visitor_token"]
        self._messages = f"/api/widget/dialogs/{self._key}/messages"

    def work(self, stop: threading.Event) -> None:
        """Ask until `stop`."""
        while not stop.is_set():
            for ask in (self._ask_over_rest, self._ask_over_socket):
                self._count += 1
                text = f"Вопрос {self.number}-{self._count}"
                began = time.monotonic()
                try:
                    ask(text)
                    self.asked.append(text)
                except (httpx2.HTTPError, OSError, TimeoutError, AssertionError, WebSocketException) as error:
                    self.errors.append(f"{ask.__name__}: {type(error).__name__}: {error}"[:300])
                self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(random.uniform(0.05, 0.2))

    def lost_and_doubled(self) -> tuple[int, int]:
        """What was answered to us and is not stored, and a last word without an answer; what is there twice."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            rows = self._all_messages()
            # Questions that came in a burst have one answer, so it is the last one that tells.
            is_open = bool(rows) and rows[-1]["sender"] == "user"
            if not is_open or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        texts = [row["text"] for row in rows if row["sender"] == "user"]
        answers = [row for row in rows if row["sender"] == "assistant"]
        lost = len(set(self.asked) - set(texts)) + is_open
        return lost, len(texts) - len(set(texts)) + max(0, len(answers) - len(texts))

    def _all_messages(self) -> list[dict[str, Any]]:
        """The dialog from its beginning; a page has two hundred at most."""
        rows: list[dict[str, Any]] = []
        while True:
            after = rows[-1]["seq"] if rows else 0
            page = self._request("GET", f"{self._messages}?after_seq={after}")["messages"]
            if not page:
                return rows
            rows += page

    def _ask_over_rest(self, text: str) -> None:
        body = {"text": text, "client_msg_id": f"m-{self._count}"}
        asked = self._request("POST", self._messages, {}, body)
        self._wait(lambda: self._request("GET", f"{self._messages}?after_seq={asked['seq']}")["messages"], text)

    def _ask_over_socket(self, text: str) -> None:
        frame = {"type": "send_message", "text": text, "client_msg_id": f"m-{self._count}"}
        deadline, self._asked_at = time.monotonic() + _PATIENCE, 0
        while time.monotonic() < deadline:
            try:
                if asyncio.run(self._is_answered_in_one_socket(frame, deadline)):
                    return
            except ConnectionClosed:
                # What was sent is known by its name: sent again, it is taken once.
                continue
        raise TimeoutError(f"no answer to {text}")

    async def _is_answered_in_one_socket(self, frame: dict[str, Any], deadline: float) -> bool:
        """Whether the answer came; False where the socket fell silent.

        In an event loop: of two threads that use one TLS connection, as in websockets' client for threads, one can
        take what the server sends after its greeting while the other writes, and then the request is never sent (7 of
        3,200 sockets to a server of websockets' own, Python 3.11).
        """
        url = f"{self.url.replace('http', 'ws', 1)}/ws/dialogs/{self._key}?token={self._token}"
        context = self._trusted if isinstance(self._trusted, ssl.SSLContext) else None
        options: dict[str, Any] = {
            "additional_headers": _ORIGIN,
            "compression": None,
            "proxy": None,
            "ssl": context,
        }
        async with connect(url, **options, open_timeout=_PATIENCE) as socket:
            await socket.send(json.dumps({"type": "resume", "last_seq": self._last_seq}))
            await socket.send(json.dumps(frame, ensure_ascii=False))
            while True:
                silence = _NO_WORD if self._asked_at else _NO_ECHO
                try:
                    text = await asyncio.wait_for(socket.recv(), max(0.1, min(silence, deadline - time.monotonic())))
                except TimeoutError:
                    return False
                if text == "__ping__":
                    await socket.send("__pong__")
                elif self._is_answer(json.loads(text), frame):
                    return True

    def _is_answer(self, found: dict[str, Any], frame: dict[str, Any]) -> bool:
        """Whether a frame of the server's is the answer to what was asked."""
        self._last_seq = max(self._last_seq, found.get("seq") or 0)
        message = found.get("message") or {}
        if message.get("sender") == "user" and message["text"] == frame["text"]:
            # Kept over sockets: what was seen before a cut is not shown again.
            self._asked_at = found["seq"]
        return message.get("sender") == "assistant" and 0 < self._asked_at < found["seq"]

    def _wait(self, look: Any, text: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if any(row["sender"] == "assistant" for row in look()):
                return
            time.sleep(0.1)
        raise TimeoutError(f"no answer to {text}")

    def _request(self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None) -> Any:
        """On a connection of its own: each one shows whether it is refused."""
        everything = {**_ORIGIN, **(headers or {})}
        if hasattr(self, "_token"):
            everything["Authorization"] = f"Bearer {self._token}"
        with httpx2.Client(timeout=_PATIENCE, trust_env=False, verify=self._trusted) as client:
            answer = client.request(method, self.url + path, headers=everything, json=body)
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        return answer.json()


def main(url: str, site_token: str, count: int, certificate: str | None) -> None:
    trusted = ssl.create_default_context(cafile=certificate) if certificate else True
    customers = [Customer(url, site_token, number, trusted) for number in range(count)]
    stop = threading.Event()
    threads = [threading.Thread(target=customer.work, args=(stop,)) for customer in customers]
    for thread in threads:
        thread.start()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    checked = [customer.lost_and_doubled() for customer in customers]
    result = {
        "asked": sum(len(customer.asked) for customer in customers),
        "errors": [error for customer in customers for error in customer.errors],
        "lost": sum(lost for lost, _ in checked),
        "doubled": sum(doubled for _, doubled in checked),
        "slowest": round(max(customer.slowest for customer in customers), 1),
    }
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
