"""Kept counts are what counting finds: after changes of every kind, at once, with deletions that take much along."""

from __future__ import annotations

import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import peewee

from replyx.clock import SystemClock
from replyx.errors import Conflict, ReplyXError
from replyx.events.audit import Audit
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.audit import AuditRow
from replyx.storage.billing import LedgerTransfer, Payment
from replyx.storage.database import Database, Table
from replyx.storage.dialogs import Dialog
from replyx.storage.knowledge import Document, QaPair
from replyx.storage.row_counts import RowCount, fold_counts, kept_count, kept_counts_by_owner

_NOW = SystemClock().now()
_STATUSES, _HANDOFFS, _PLATFORMS = ("active", "archived"), ("none", "requested", "active"), ("website", "api")

#: Table → which of its columns stand where in the counts.
_COUNTED: dict[type[Table], dict[str, Any]] = {
    Dialog: {
        "owner_id": Dialog.user,
        "assistant_id": Dialog.assistant,
        "first": Dialog.status,
        "second": Dialog.handoff_status,
        "third": Dialog.platform,
    },
    Assistant: {"owner_id": Assistant.user},
    Document: {"assistant_id": Document.assistant},
    QaPair: {"assistant_id": QaPair.assistant},
    LedgerTransfer: {"owner_id": LedgerTransfer.user_id, "first": LedgerTransfer.kind},
    Payment: {"owner_id": Payment.user_id, "first": Payment.status},
    AuditRow: {"first": AuditRow.action, "second": AuditRow.outcome},
    User: {},
}


def _user() -> User:
    return User.create(email=f"{secrets.token_hex(8)}@example.com", password_hash="", token_epoch="", created_at=_NOW)


def _assistant(user: int) -> Any:
    return Assistant.create(user=user, name="A", ai_model="extractive", allowed_domains=[], created_at=_NOW)


def _dialog(chance: random.Random, assistant: Any) -> None:
    Dialog.create(
        assistant=assistant.id,
        user=assistant.user_id,
        platform=chance.choice(_PLATFORMS),
        dialog_key=secrets.token_hex(16),
        created_at=_NOW,
    )


def _things(assistant: Any) -> None:
    Document.create(
        assistant=assistant.id, filename="", content_type="", size=1, sha256="", storage_name="", created_at=_NOW
    )
    QaPair.create(assistant=assistant.id, question="", question_key="", answer="", tags=[], created_at=_NOW)
    LedgerTransfer.create(
        key=secrets.token_hex(8), kind="credit", user_id=assistant.user_id, amount=1, description="", created_at=_NOW
    )
    Payment.create(
        provider="x", user_id=assistant.user_id, amount=1, idempotency_key="", created_at=_NOW, updated_at=_NOW
    )


def _grow(chance: random.Random, assistants: list[Any], kind: str) -> None:
    if kind == "user" or not assistants:
        _assistant(_user().id)
    elif kind == "assistant":
        _assistant(chance.choice(assistants).user_id)
    elif kind == "things":
        _things(chance.choice(assistants))
        Payment.update(status="pending").where(Payment.id % 2 == 0).execute()
    else:
        for _ in range(chance.randrange(1, 5)):
            _dialog(chance, chance.choice(assistants))


def _alter(chance: random.Random, one: Any, kind: str) -> None:
    if kind == "status":
        Dialog.update(status=chance.choice(_STATUSES), last_seq=Dialog.last_seq + 1).where(one).execute()
    elif kind == "handoff":
        Dialog.update(handoff_status=chance.choice(_HANDOFFS)).where(one).execute()
    else:
        Dialog.delete().where(one).execute()


def _change(db: Database, chance: random.Random) -> None:
    """One transaction of a random kind; some end in nothing."""
    with db.transaction():
        assistants: list[Any] = list(Assistant.select())
        kind = chance.choice(("dialog", "dialog", "dialog", "status", "handoff", "status", "things", "delete", "rare"))
        if kind == "rare":
            kind = chance.choice(("assistant", "user", "no assistant", "no user"))
        if kind in ("dialog", "things", "assistant", "user") or not assistants:
            _grow(chance, assistants, kind)
        elif kind == "no assistant":
            Assistant.delete().where(Assistant.id == chance.choice(assistants).id).execute()
        elif kind == "no user":
            User.delete().where(User.id == chance.choice(assistants).user_id).execute()
        elif dialogs := list(Dialog.select()):
            _alter(chance, Dialog.id == chance.choice(dialogs).id, kind)
        if chance.random() < 0.1:
            raise Conflict


def _assert_counts(db: Database) -> None:
    """Every count by every combination of values that there is, and each list's total."""
    with db.connection():
        for table, columns in _COUNTED.items():
            name = table._meta.table_name
            assert kept_count(name) == table.select().count(), name
            if not columns:
                continue
            rows: Any = table.select(*columns.values(), peewee.fn.COUNT(table.id)).group_by(*columns.values())  # type: ignore[attr-defined]
            counted = {tuple(row[:-1]): row[-1] for row in rows.tuples()}
            kept = {key: kept_count(name, **dict(zip(columns, key, strict=True))) for key in counted}
            assert kept == counted, name
        users = [row.id for row in User.select(User.id)]
        by_owner = kept_counts_by_owner("dialogs", users)
        assert {u: by_owner.get(u, 0) for u in users} == {
            u: Dialog.select().where(Dialog.user == u).count() for u in users
        }


def test_kept_counts_are_right_after_racing_changes_and_folds(db: Database) -> None:
    def work(seed: int) -> None:
        chance = random.Random(seed)
        for turn in range(40):
            _try(db, chance)
            if turn % 10 == 9:
                fold_counts(db)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    audit = Audit(db, SystemClock())
    for action in ("login", "login", "logout"):
        audit.record(action)

    _assert_counts(db)
    fold_counts(db)
    _assert_counts(db)
    assert fold_counts(db) == 0


def _try(db: Database, chance: random.Random) -> None:
    """A change that two others made impossible (its assistant is gone, they waited in a circle) is nothing."""
    try:
        _change(db, chance)
    except (ReplyXError, peewee.DatabaseError):
        return


def test_reading_a_count_looks_at_few_rows_once_they_are_folded(db: Database) -> None:
    chance = random.Random(0)
    with db.transaction():
        assistant = _assistant(_user().id)
        for _ in range(300):
            _dialog(chance, assistant)

    fold_counts(db)

    with db.connection():
        assert RowCount.select().where(RowCount.counted == "dialogs").count() == len(_PLATFORMS)
        assert kept_count("dialogs", owner_id=assistant.user_id, first="active") == 300
        assert kept_count("dialogs", owner_id=assistant.user_id, first="archived") == 0
        assert kept_count("dialogs", owner_id=assistant.user_id + 1) == 0
