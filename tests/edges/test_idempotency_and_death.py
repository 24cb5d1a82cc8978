"""A process that dies between a request's effect and its answer: the same `Idempotency-Key` does no second thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import peewee
import pytest

from replyx.storage.billing import Payment
from replyx.storage.database import Database
from replyx.storage.idempotency import IdempotencyKey
from replyx.storage.knowledge import Document
from replyx.testing.payments import FakeYooKassa
from tests.plugins.tills import YooKassaTill
from tests.support.http import log_in
from tests.support.processes import Box, Program, open_box
from tests.support.programs import wait_until

_KEY = {"Idempotency-Key": "order-1"}
_ORDER = {"amount": 500.0, "payment_method": "card", "return_url": "https://example.com/paid"}


class _Mortal:
    """`replyx up` that is killed and started again, and its administrator."""

    def __init__(self, box: Box, db: Database) -> None:
        self._box, self._db = box, db
        self.program: Program
        self.url = ""
        self.start()
        email = self.program.wait_for_line(r"^administrator (\S+)")[1]
        password = self.program.wait_for_line(r"^password (\S+)")[1]
        with log_in(self.url, email, password) as api:
            self._headers = {"Authorization": api.client.headers["Authorization"], **_KEY}

    def start(self) -> None:
        self.program = self._box.start("up", "--port", "0")
        self.url = self.program.wait_for_line(r"^ready (http\S+)", 60)[1]

    def post(self, path: str, **sent: Any) -> httpx2.Response | None:
        """The answer; None where the server died."""
        try:
            return httpx2.post(f"{self.url}{path}", headers=self._headers, timeout=30, trust_env=False, **sent)
        except httpx2.TransportError:
            return None

    def rise(self) -> None:
        """Start again after a death."""
        wait_until(lambda: not self.program.is_running, 10, "the death")
        self.start()

    def insist(self, send: Callable[[_Mortal], httpx2.Response | None]) -> httpx2.Response | None:
        """The answer of a request whose claim a dead process had: it is free in seconds, with nobody's help."""
        deadline = time.monotonic() + 60
        while (answer := send(self)) is not None and answer.status_code == 409 and time.monotonic() < deadline:
            time.sleep(0.2)
        return answer


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool=4, timeout=5)
    yield database
    database.close()


def _order(mortal: _Mortal) -> httpx2.Response | None:
    return mortal.post("/api/balance/top-up", json=_ORDER)


def _upload(mortal: _Mortal) -> httpx2.Response | None:
    return mortal.post(
        "/api/documents/upload", data={"assistant_id": "1"}, files={"file": ("a.txt", b"Words to read.")}
    )


def _seen(db: Database) -> tuple[int, int]:
    """Documents, and answers that were kept of uploads, of one moment."""
    kept = IdempotencyKey.select(peewee.fn.COUNT(IdempotencyKey.id)).where(
        IdempotencyKey.status.is_null(False) & IdempotencyKey.route.contains("upload")
    )
    with db.connection():
        rows: Any = Document.select(peewee.fn.COUNT(Document.id), kept).tuples()
        ((documents, answers),) = rows
    return documents, answers


def test_what_was_begun_before_a_death_is_answered_and_not_done_again(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    with FakeYooKassa() as fake, open_box(tmp_path / "box", REPLYX_DATABASE__URL=database_url) as box:
        box.environment |= {
            **YooKassaTill(fake).settings(),
            "REPLYX_BILLING__RETURN_URLS": "https://example.com",
            "REPLYX_LIMITS__ENABLED": "false",
        }
        mortal = _Mortal(box, db)

        fake.made = lambda: mortal.program.kill()
        assert _order(mortal) is None
        fake.made = None
        mortal.rise()
        order, again = mortal.insist(_order), _order(mortal)

        assert order is not None
        assert again is not None
        assert (order.status_code, order.content) == (again.status_code, again.content) == (201, order.content)
        assert again.headers["Idempotent-Replayed"] == "true"
        with db.connection():
            (row,) = Payment.select()
        assert list(fake.payments) == [row.external_id]
        assert (row.status, order.json()["payment_id"]) == ("pending", row.id)

        moments: list[tuple[int, int]] = []
        killer = threading.Thread(target=_kill_at_the_document, args=(mortal, db, moments))
        killer.start()
        _upload(mortal)
        killer.join(20)
        assert moments[-1] == (1, 1)
        mortal.rise()
        replayed = _upload(mortal)

        assert replayed is not None
        assert replayed.status_code == 201
        assert replayed.headers["Idempotent-Replayed"] == "true"
        with db.connection():
            assert [made.id for made in Document.select()] == [replayed.json()["id"]]


def _kill_at_the_document(mortal: _Mortal, db: Database, moments: list[tuple[int, int]]) -> None:
    """Kill the server as soon as the document can be seen, and note what could be seen with it."""

    def is_there() -> bool:
        moments.append(_seen(db))
        return moments[-1][0] > 0

    wait_until(is_there, 20, "the document")
    mortal.program.kill()
