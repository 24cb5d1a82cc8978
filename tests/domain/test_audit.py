"""The audit log: what is written into it, in which transaction, and that nobody can write a line of their own."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from replyx.errors import InsufficientBalance, InvalidCredentials, ValidationFailed
from replyx.events.audit import Audit, AuditFilter, AuditView, begin
from replyx.log import JsonFormatter, TextFormatter
from replyx.storage.database import Database
from tests.support.clock import MovableClock
from tests.support.desk import Desk

PASSWORD = "correct-horse-7"

#: What people write who want lines of their own: breaks, terminal sequences, ends of lines of other alphabets.
_HOSTILE = 'a\r\n{"level":"error"}\x1b[2J\x1b]0;x\x07\x9b31m\x85\u2028\u2029\x00\x7f\u202e\U000e0001 b'


@pytest.fixture
def audit(db: Database, clock: MovableClock) -> Audit:
    return Audit(db, clock)


def _lines(audit: Audit, **which: object) -> list[AuditView]:
    return audit.list(AuditFilter(**which))[0]  # type: ignore[arg-type]


@pytest.fixture(params=[JsonFormatter(), TextFormatter()], ids=["json", "text"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What the log of the process gets, in each of its forms."""
    out, logger = io.StringIO(), logging.getLogger("replyx")
    handler = logging.StreamHandler(out)
    handler.setFormatter(request.param)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield out
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_thirty_events_are_thirty_lines_whatever_stands_in_them(
    sqlite_db: Database, clock: MovableClock, written: io.StringIO
) -> None:
    audit = Audit(sqlite_db, clock)
    for number in range(30):
        audit.record("login", _HOSTILE, outcome="refused", text=_HOSTILE, number=number)

    lines = written.getvalue().split("\n")
    assert len(lines) == 31
    assert lines.pop() == ""
    assert all(line.isprintable() for line in lines)
    if lines[0].startswith("{"):
        assert [json.loads(line)["details"]["number"] for line in lines] == list(range(30))
    rows, total = audit.list(AuditFilter(limit=100))
    assert total == 30
    assert all(row.object.isprintable() and row.details and row.details["text"].isprintable() for row in rows)


def test_an_exception_cannot_forge_a_line_either(written: io.StringIO) -> None:
    try:
        int(_HOSTILE)
    except ValueError:
        logging.getLogger("replyx.test").exception("it failed")

    first, *others, last = written.getvalue().split("\n")
    assert "it failed" in first
    assert last == ""
    assert all(line.isprintable() and line.startswith("    ") for line in others)


def test_what_is_rolled_back_was_never_written(db: Database, audit: Audit) -> None:
    with pytest.raises(InsufficientBalance), db.transaction():
        audit.record("money.credit", "user:1")
        raise InsufficientBalance

    assert _lines(audit) == []


def test_a_flood_of_refusals_of_one_caller_is_one_line_a_minute(audit: Audit, clock: MovableClock) -> None:
    def attack(peer: str) -> None:
        begin(peer)
        for _ in range(50):
            audit.refuse("auth.refused", "GET /api/users/me")

    copy_context().run(attack, "192.0.2.1")
    copy_context().run(attack, "192.0.2.2")
    clock.advance(61)
    copy_context().run(attack, "192.0.2.1")

    assert [row.peer for row in _lines(audit)] == ["192.0.2.1", "192.0.2.2", "192.0.2.1"]


def test_lines_are_found_by_what_is_asked_for_and_forgotten_in_time(audit: Audit, clock: MovableClock) -> None:
    start = clock.now()
    audit.record("login", user_id=1)
    clock.advance(86_400)
    audit.record("login", outcome="refused")
    audit.record("logout", user_id=1)

    assert [row.action for row in _lines(audit, user_id=1)] == ["logout", "login"]
    assert [row.user_id for row in _lines(audit, action="login", outcome="refused")] == [None]
    assert len(_lines(audit, since=clock.now())) == 2
    assert [row.created_at for row in _lines(audit, until=clock.now())] == [start]
    assert audit.list(AuditFilter(limit=1, offset=1))[1] == 3
    clock.advance(9.5 * 86_400)
    assert audit.purge(10) == 1
    assert audit.list(AuditFilter())[1] == 2


def test_people_money_and_administration_leave_their_lines(desk: Desk) -> None:
    app, audit = desk.app, desk.app.accounts.audit
    app.accounts.login("owner@example.com", PASSWORD)
    token, user = app.accounts.login("owner@example.com", PASSWORD)
    with pytest.raises(InvalidCredentials):
        app.accounts.login("owner@example.com", "wrong-password-9")
    with pytest.raises(InvalidCredentials):
        app.accounts.login("my-secret-passphrase", "x")
    actor = app.accounts.authenticate(token)
    with pytest.raises(ValidationFailed):
        app.accounts.change_password(actor, "wrong-password-9", "another-8y-good")
    app.accounts.change_password(actor, PASSWORD, "another-8y-good")
    app.accounts.logout(app.accounts.login("owner@example.com", "another-8y-good")[0])
    app.ledger.credit(user.id, 12345, kind="credit", key="k", description="Начисление")
    app.accounts.set_active(user.id, active=False)
    (key,) = app.ai_tokens.list()
    app.ai_tokens.update(key.id, token="sk-other-0123456789abcdef", priority=2)
    app.ai_tokens.remove(key.id)
    app.accounts.delete_user(user.id)

    rows = list(reversed(_lines(audit, limit=100)))
    assert [(row.action, row.outcome) for row in rows] == [
        ("ai_token.added", "ok"), ("user.created", "ok"), ("money.credit", "ok"),
        ("login", "ok"), ("login", "ok"), ("login", "refused"), ("login", "refused"),
        ("password.changed", "refused"), ("password.changed", "ok"), ("login", "ok"), ("logout", "ok"),
        ("money.credit", "ok"), ("user.disabled", "ok"), ("ai_token.changed", "ok"), ("ai_token.removed", "ok"),
        ("user.deleted", "ok"),
    ]  # fmt: skip
    assert (rows[3].user_id, rows[3].object, rows[5].user_id) == (user.id, "owner@example.com", None)
    assert rows[11].details == {"kopecks": 12345, "description": "Начисление"}
    # What is typed in place of an address may be the password.
    assert rows[6].object == ""
    text = json.dumps([row.as_json() for row in rows])
    for secret in (PASSWORD, "wrong-password-9", "another-8y-good", "my-secret-passphrase", "sk-other", token):
        assert secret not in text
