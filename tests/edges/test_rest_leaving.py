"""Leaving: everything of an account is given out, and everything of it is gone when it is deleted."""

from __future__ import annotations

import json
from typing import Any

from replyx.storage.accounts import User
from replyx.storage.schema import ALL_TABLES
from tests.support.house import PASSWORD, House
from tests.support.http import Json
from tests.support.programs import wait_until

#: What outlives a user: money that has moved, and the log of who did what.
_KEPT = {"ledger_transfers", "ledger_entries", "audit_log", "revoked_tokens", "process_beats"}


def _busy(house: House, owner: Any, word: str) -> Json:
    """An account in which there is something of everything."""
    api = house.api(owner)
    assistant = house.assistant(owner, telegram_bot_token=f"{owner.id}234567890:" + "A" * 35)
    note = house.app.config.data_dir / f"{word}.md"
    note.write_text(f"# Гарантия\n\nГарантия {word} действует два года со дня покупки.\n", encoding="utf-8")
    document = api.upload(assistant["id"], note)
    pair = {"assistant_id": assistant["id"], "question": f"Что такое {word}?", "answer": word}
    api.post("/api/qa-knowledge", pair, expect=201)
    for number in range(23):
        session = house.session(assistant)
        path = f"/api/dialogs/{session['dialog_id']}/messages"
        api.post(path, {"text": f"{word} {number}"}, expect=201)
    wait_until(lambda: api.get(f"/api/documents/{document['id']}")["status"] == "completed", 60, "it was not read")
    return assistant


def test_the_export_has_everything_of_the_account_and_nothing_of_anothers(both: House) -> None:
    assistant = _busy(both, both.anna, "синхрофазотрон")
    _busy(both, both.boris, "чужое")
    operator = both.operator()

    answer = both.api(both.anna).request("GET", "/api/users/me/export", expect=200)
    found = answer.json()

    assert answer.headers["Content-Disposition"] == 'attachment; filename="replyx-export.json"'
    assert answer.headers["Content-Type"] == "application/json"
    assert list(found) == [
        "user", "operators", "assistants", "dialogs", "documents", "qa_knowledge", "transactions",
    ]  # fmt: skip
    assert found["user"] == both.api(both.anna).get("/api/users/me")
    assert [row["email"] for row in found["operators"]] == [operator.email]
    assert found["assistants"] == [both.api(both.anna).get(f"/api/assistants/{assistant['id']}")]
    assert [d["messages"][0]["text"] for d in found["dialogs"]] == [f"синхрофазотрон {n}" for n in range(23)]
    assert [row["filename"] for row in found["documents"]] == ["синхрофазотрон.md"]
    assert [row["answer"] for row in found["qa_knowledge"]] == ["синхрофазотрон"]
    assert [row["amount"] for row in found["transactions"]] == [1000.0]
    assert "чужое" not in answer.text
    assert "A" * 35 not in answer.text
    # The shortest one: an account with nothing.
    assert both.api(both.admin).get("/api/users/me/export")["dialogs"] == []


def test_a_deleted_account_leaves_no_row_file_or_vector(both: House) -> None:
    assistant = _busy(both, both.anna, "синхрофазотрон")
    _busy(both, both.boris, "протонный")
    operator, app = both.operator(), both.app
    api, uploads = both.api(both.anna), app.config.data_dir / "uploads"
    visitor = both.session(assistant)
    kept_files = len([file for file in uploads.rglob("*") if file.is_file()])
    assert app.knowledge.rows_in_index(assistant["id"]) > 0

    api.request("DELETE", "/api/users/me", expect=422, json={"password": "wrong-password-9"})
    api.request("DELETE", "/api/users/me", expect=400)
    api.get("/api/users/me")
    api.request("DELETE", "/api/users/me", expect=204, json={"password": PASSWORD})

    api.request("GET", "/api/users/me", expect=401)
    both.visitor(visitor).request("GET", f"/api/widget/dialogs/{visitor['dialog_key']}/messages", expect=404)
    wait_until(lambda: app.knowledge.rows_in_index(assistant["id"]) == 0, 20, "vectors are left")
    wait_until(lambda: len([f for f in uploads.rglob("*") if f.is_file()]) < kept_files, 20, "a file is left")
    assert _rows_with(both, "синхрофазотрон", both.anna.email) == []
    assert not _exists(both, operator.id)
    assert both.api(both.boris).get("/api/dialogs")["total"] == 23
    assert app.knowledge.search(assistant["id"], "синхрофазотрон").passages == ()
    assert app.ledger.verify().ok


def _exists(house: House, user_id: int) -> bool:
    with house.app.db.connection():
        return bool(User.select().where(User.id == user_id).exists())


def _rows_with(house: House, *words: str) -> list[str]:
    """Tables in which any of `words` stands, without those that outlive a user."""
    with house.app.db.connection():
        rows = {
            table._meta.table_name: json.dumps(list(table.select().dicts()), default=str, ensure_ascii=False)
            for table in ALL_TABLES
        }
    return [name for name, text in rows.items() if name not in _KEPT and any(word in text for word in words)]


def test_the_last_administrator_stays(both: House) -> None:
    api = both.api(both.admin)
    api.request("DELETE", "/api/users/me", expect=409, json={"password": PASSWORD})

    both.app.registration.register("second@example.com", PASSWORD, is_admin=True)

    api.request("DELETE", "/api/users/me", expect=204, json={"password": PASSWORD})
