"""Every JSON example of the contract against the running server, field by field and type by type."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from replyx.server.openapi import describe
from replyx.server.routes import ROUTES
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.types import SYSTEM, Channel, Contact, InboundMessage
from tests.contract.shapes import additions, differences, example, names
from tests.support.house import PASSWORD, House
from tests.support.http import Api, Json
from tests.support.programs import wait_until

#: Examples that tests of their own send: tests/plugins/test_rest_top_ups.py.
_ELSEWHERE = {"post-balance-top-up.request"}

#: Fields that are null until there is something to say.
_NULLABLE = frozenset({"telegram_bot_username", "avatar", "last_login_at"})

#: What is answered beyond the contract, by example.
_ASSISTANT = {"site_token", "handoff_keywords", "not_found_text", "unavailable_text", "welcome_text", "price", "prices"}
_ADDED: dict[str, set[str]] = {
    "get-users-me.response": {".role", ".totp_enabled", ".email_verified"},
    "get-assistants.response": {
        f"[].{name}"
        for name in (
            *_ASSISTANT,
            "daily_cap",
            "answer_threshold",
            "clarify_threshold",
            "telegram_group_id",
            "telegram_api_base",
            "telegram_proxy",
        )
    },
    "get-dialogs-id.response": {".handoff_note", ".last_seq", ".operator_name"},
    "get-dialogs-id-messages.response": {
        f".messages[].{name}"
        for name in ("seq", "sources", "engine", "outcome", "reply_id", "client_msg_id", "delivery")
    },
    "post-documents-upload.response": {".chunks_count", ".pages", ".error", ".url", ".replaces", ".scanned_pages"},
    "get-documents.response": {"[].content_type", "[].pages", "[].error", "[].url", "[].replaces", "[].scanned_pages"},
    "get-balance.response": {".low_balance"},
    "get-balance-transactions.response": {
        f".transactions[].details.{name}" for name in ("reply_id", "prompt_tokens", "completion_tokens")
    },
    "get-admin-users.response": {".users[].is_active", ".users[].role"},
    "get-admin-ai-tokens.response": {
        f"[].{name}" for name in ("base_url", "notes", "disabled_reason", "cooling_until")
    },
    "get-admin-system-health.response": {".redis.mode", ".workers", ".queue", ".models", ".knowledge", ".checks"},
    "socket-new_message": {f".message.{name}" for name in ("seq", "sources", "engine", "outcome", "reply_id")},
}


@dataclass
class World:
    """A house in which everything that the examples speak of has happened."""

    house: House
    owner: Api
    admin: Api
    assistant: Json
    #: A Telegram dialog: asked, answered and paid, taken over by Anna.
    dialog_id: int
    events: list[Json]
    error: Json


@pytest.fixture
def world(both: House) -> World:
    owner, admin = both.api(both.anna), both.api(both.admin)
    with FakeLLM(Scenario(text="Привет! Как дела?")) as llm:
        key = {**example("post-admin-ai-tokens.request"), "base_url": llm.base_url, "token": "sk-proj-0123456789abcdef"}
        admin.post("/api/admin/ai-tokens", key, expect=201)
        assistant = owner.post("/api/assistants", _assistant(), expect=201)
        dialog_id = _talk(both, owner, assistant)
    owner.upload(assistant["id"], _note(both))
    error = owner.request("PUT", "/api/users/me", expect=422, json={"first_name": 1}).json()
    events = owner.get(f"/api/dialogs/{dialog_id}/events")["events"]
    return World(both, owner, admin, assistant, dialog_id, events, error)


def _assistant() -> Json:
    return {**example("post-assistants.request"), "telegram_bot_token": "1234567890:" + "AbCdE" * 7}


def _note(house: House) -> Any:
    file = house.app.config.data_dir / "document.md"
    file.write_text("# Гарантия\n\nГарантия действует два года со дня покупки.\n", encoding="utf-8")
    return file


def _talk(house: House, owner: Api, assistant: Json) -> int:
    """A customer asks in Telegram, the assistant answers, the customer calls a person, who comes."""
    app = house.app
    view = app.assistants.get(SYSTEM, assistant["id"])
    contact = Contact(
        first_name="John", last_name="Doe", telegram_chat_id="123456789", telegram_username="user123", locale="ru"
    )
    dialog_id = app.sessions.start(view, Channel.TELEGRAM, contact)
    path = f"/api/dialogs/{dialog_id}"
    app.inbox.receive(InboundMessage(Channel.TELEGRAM, dialog_id, "Сколько стоит доставка?", "update-1"))
    wait_until(lambda: len(owner.get(f"{path}/messages")["messages"]) == 2, 20, "no answer came")
    asked = {**example("post-dialogs-id-handoff-request.request")}
    owner.post(f"{path}/handoff/request", asked, expect=200)
    taken = {**example("post-dialogs-id-handoff-take.request"), "operator_id": house.anna.id}
    owner.post(f"{path}/handoff/take", taken, expect=200)
    owner.post(f"{path}/messages", example("post-dialogs-id-messages.request"), expect=201)
    return dialog_id


def _event(world: World, kind: str, sender: str | None = None) -> Json:
    fitting = (e for e in world.events if e["type"] == kind and (not sender or e["message"]["sender"] == sender))
    return next(fitting)


def _login(world: World) -> Json:
    body = {"email": world.house.anna.email, "password": PASSWORD}
    found: Json = world.house.api().post("/api/auth/login", body, expect=200)
    return found


def _documents(world: World) -> Json:
    wait_until(lambda: world.owner.get("/api/documents")[0]["status"] == "completed", 60, "the document was not read")
    found: Json = world.owner.get("/api/documents")
    return found


def _typing(world: World) -> Json:
    house = world.house
    talking, listening = (house.desk_socket(house.anna, world.dialog_id) for _ in range(2))
    listening.send({"type": "resume", "last_seq": 9999})
    listening.next()
    talking.send({"type": "typing", "operator_name": "Анна"})
    return listening.wait_for(lambda frame: frame["type"] == "operator_typing")


_ANSWERS: dict[str, Callable[[World], Any]] = {
    "post-auth-login.response": _login,
    "get-users-me.response": lambda w: w.owner.get("/api/users/me"),
    "get-assistants.response": lambda w: w.owner.get("/api/assistants"),
    "get-dialogs.response": lambda w: w.owner.get("/api/dialogs?platform=telegram"),
    "get-dialogs-id.response": lambda w: w.owner.get(f"/api/dialogs/{w.dialog_id}"),
    "get-dialogs-id-messages.response": lambda w: w.owner.get(f"/api/dialogs/{w.dialog_id}/messages"),
    "post-documents-upload.response": lambda w: w.owner.upload(w.assistant["id"], _note(w.house)),
    "get-documents.response": _documents,
    "get-balance.response": lambda w: w.owner.get("/api/balance"),
    "get-balance-transactions.response": lambda w: w.owner.get("/api/balance/transactions"),
    "get-admin-users.response": lambda w: w.admin.get("/api/admin/users"),
    "get-admin-ai-tokens.response": lambda w: w.admin.get("/api/admin/ai-tokens"),
    "get-admin-system-health.response": lambda w: w.admin.get("/api/admin/system/health"),
    "socket-new_message": lambda w: _event(w, "new_message", "assistant"),
    "socket-handoff_requested": lambda w: _event(w, "handoff_requested"),
    "socket-handoff_started": lambda w: _event(w, "handoff_started"),
    "socket-operator_typing": _typing,
    "error": lambda w: w.error,
}


def _send_on_socket(world: World, frame: Json) -> None:
    socket = world.house.desk_socket(world.house.anna, world.dialog_id)
    socket.send(frame)
    assert socket.wait_for(lambda f: "seq" in f)["message"]["text"] == frame["text"]


def _register(world: World, body: Json) -> None:
    # The example's password is one that everybody knows.
    made = world.house.api().post("/api/auth/register", {**body, "password": PASSWORD}, expect=201)
    assert (made["user"]["email"], made["token_type"]) == ("user@example.com", "bearer")
    world.house.api().post("/api/auth/login", {**body_of("post-auth-login.request"), "password": PASSWORD}, expect=200)


def body_of(name: str) -> Json:
    found: Json = example(name)
    return found


def _change_password(world: World, body: Json) -> None:
    world.house.api(world.house.boris).post(
        "/api/users/change-password",
        {**body, "current_password": PASSWORD, "new_password": "new_password_77"},
        expect=200,
    )


def _change_assistant(world: World, body: Json) -> None:
    changed = world.owner.put(f"/api/assistants/{world.assistant['id']}", body)
    assert {name: changed[name] for name in body} == body


def _add_qa(world: World, body: Json) -> None:
    made = world.owner.post("/api/qa-knowledge", {**body, "assistant_id": world.assistant["id"]}, expect=201)
    assert {**body, "assistant_id": made["assistant_id"]} == {name: made[name] for name in body}


#: Requests beyond those that made the world.
_REQUESTS: dict[str, Callable[[World, Json], None]] = {
    "post-auth-register.request": _register,
    "put-users-me.request": lambda w, body: w.owner.put("/api/users/me", body, expect=200),
    "post-users-change-password.request": _change_password,
    "put-assistants-id.request": _change_assistant,
    "post-qa-knowledge.request": _add_qa,
    "socket-send_message": _send_on_socket,
}

#: Requests that the world is made with, or that another one is sent together with.
_SENT_ALREADY = {
    "post-auth-login.request",
    "post-assistants.request",
    "post-admin-ai-tokens.request",
    "post-dialogs-id-messages.request",
    "post-dialogs-id-handoff-request.request",
    "post-dialogs-id-handoff-take.request",
}


def test_every_example_is_compared_or_sent() -> None:
    assert set(names()) == {*_ANSWERS, *_REQUESTS, *_SENT_ALREADY, *_ELSEWHERE}


def test_answers_have_every_field_of_their_example_and_no_unnamed_one(world: World) -> None:
    for name, ask in _ANSWERS.items():
        found = ask(world)
        assert differences(example(name), found, _NULLABLE) == [], name
        assert additions(example(name), found) - _ADDED.get(name, set()) == set(), name
        _require_described(name, found)


def _require_described(name: str, found: Any) -> None:
    """The answer fits what /openapi.json says of it."""
    document = describe(ROUTES)
    for path, row in document["paths"].items():
        for method, operation in row.items():
            if name == f"{method}-{re.sub('[{}]', '', path.removeprefix('/api/')).replace('/', '-')}.response":
                success = next(part for status, part in operation["responses"].items() if status < "300")
                schema = success["content"]["application/json"]["schema"]
                OAS31Validator({**schema, "components": document["components"]}).validate(found)


def test_requests_are_taken_as_the_examples_write_them(world: World) -> None:
    for name, send in _REQUESTS.items():
        send(world, body_of(name))
