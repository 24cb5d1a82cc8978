"""Tenants with a word of their own in every text that they have: where it is seen elsewhere, something leaked."""

from __future__ import annotations

import io
import secrets
from dataclasses import dataclass
from typing import Any

from replyx.accounts.views import UserView
from replyx.storage.accounts import User
from replyx.storage.audit import AuditRow
from replyx.storage.database import Database
from replyx.storage.schema import ALL_TABLES
from replyx.types import Actor, Role
from tests.support.house import PASSWORD, House
from tests.support.http import Api, Json

#: What nobody but the tenant itself causes, yet no tenant owns.
_OF_NOBODY = (AuditRow,)

#: The `client_msg_id` and `Idempotency-Key` that every tenant uses, too.
SAME_KEY = "the-same-key"


@dataclass
class Tenant:
    """One tenant's things by kind: ids as they stand in URLs, sessions as the widget got them."""

    user: UserView
    word: str
    site: str
    assistants: list[Json]
    sessions: list[Json]
    documents: list[int]
    qa: list[int]
    attachments: list[int]
    site_id: int
    key_id: int

    @property
    def ids(self) -> dict[str, list[Any]]:
        """Kind → ids."""
        return {
            "assistants": [row["id"] for row in self.assistants],
            "dialogs": [row["dialog_id"] for row in self.sessions],
            "keys": [row["dialog_key"] for row in self.sessions],
            "documents": self.documents,
            "qa-knowledge": self.qa,
            "attachments": self.attachments,
            "users": [self.user.id],
            "sites": [self.site_id],
            "api-keys": [self.key_id],
        }


def plant(house: House, name: str) -> Tenant:
    """A tenant with two assistants, two dialogs, a document, two prepared answers, a web site and an API key."""
    word = f"canary{name}{secrets.token_hex(4)}"
    user = house.app.registration.register(
        f"{word}@example.com", PASSWORD, f"Имя {word}", f"Фамилия {word}", opening_balance=100_000
    )
    house.app.ledger.credit(user.id, 500, kind="credit", key=f"key {word}", description=f"По счёту {word}")
    api, site = house.api(user), f"https://{word}.example"
    assistants = [_assistant(api, word, n) for n in range(2)]
    of_first = {"assistant_id": assistants[0]["id"]}
    qa = [
        api.post("/api/qa-knowledge", {**of_first, "question": f"Вопрос {n} {word}?", "answer": word, "tags": [word]})
        for n in range(2)
    ]
    sessions = [_dialog(house, api, assistants[0], word, site) for _ in range(2)]
    owner = Actor(Role.OWNER, user.id)
    text = f"# Возврат {word}\n\nТовар можно вернуть в течение 14 дней: {word}.\n"
    document = house.app.knowledge.add_document(
        owner, assistants[0]["id"], f"{word}.md", io.BytesIO(text.encode()), "text/markdown"
    )
    house.app.knowledge.ingest(document.id)
    sent = io.BytesIO(f"Файл {word}".encode())
    attachment = house.app.attachments.add(sessions[0]["dialog_id"], 1, "document", f"{word}.txt", sent)
    # A public address, which nobody visits here: that is a worker's.
    read = house.app.knowledge.sites.add(owner, assistants[0]["id"], f"https://93.184.215.14/{word}")
    key, _ = house.app.api_keys.create(owner, f"Ключ {word}")
    things = [document.id], [row["id"] for row in qa], [attachment.id]
    return Tenant(user, word, site, assistants, sessions, *things, read.id, key.id)


def _assistant(api: Api, word: str, n: int) -> Json:
    texts = ("name", "description", "system_prompt", "not_found_text", "unavailable_text", "welcome_text")
    digits = str(secrets.randbelow(10**9) + 10**9)
    made: Json = api.post(
        "/api/assistants",
        {
            **{field: f"{field} {word} {n}" for field in texts},
            "telegram_bot_token": f"{digits}:{'A' * 35}",
            "website_integration": True,
            "allowed_domains": [f"{word}.example"],
            "handoff_keywords": [f"позовите {word}"],
        },
        expect=201,
    )
    return made


def _dialog(house: House, api: Api, assistant: Json, word: str, site: str) -> Json:
    contact = {"name": f"Имя {word}", "email": f"{word}@customer.example", "page_url": f"{site}/{word}"}
    session = house.session(assistant, site, **contact)
    said = {"text": f"Вопрос {word}", "client_msg_id": SAME_KEY}
    path = f"/api/dialogs/{session['dialog_id']}"
    house.visitor(session, site).post(f"/api/widget/dialogs/{session['dialog_key']}/messages", said, expect=201)
    api.post(f"{path}/handoff/request", {"last_user_text": f"Записка {word}"}, expect=200)
    api.post(f"{path}/handoff/take", {"operator_name": f"Ольга {word}"}, expect=200)
    api.post(f"{path}/messages", {"text": f"Ответ {word}"}, expect=201)
    return session


def belongings(db: Database, user_id: int) -> dict[str, dict[Any, str]]:
    """Every row of every table that belongs to the tenant: table → key → what stands in it."""
    owned: dict[Any, dict[Any, str]] = {}
    with db.connection():
        for table in ALL_TABLES:
            if table in _OF_NOBODY:
                continue
            meta: Any = table._meta
            key, parents = meta.primary_key.name, meta.refs
            rows: Any = table.select().dicts()
            owned[table] = {row[key]: repr(row) for row in rows if _is_owned(table, row, parents, owned, user_id)}
    return {table.__name__: rows for table, rows in owned.items() if rows}


def _is_owned(table: Any, row: Json, parents: Any, owned: dict[Any, dict[Any, str]], user_id: int) -> bool:
    if table is User:
        return user_id in (row["id"], row["owner_id"])
    if row.get("user_id") == user_id:
        return True
    return any(row[field.name] in owned.get(parent, {}) for field, parent in parents.items())
