"""Assistants, dialogs, handoff and prepared answers over HTTP; and that tenants do not see each other's."""

from __future__ import annotations

import json
from typing import Any

from tests.edges.conftest import Build
from tests.support.house import House
from tests.support.http import Api, Json
from tests.support.programs import wait_until


def test_an_assistant_is_made_changed_listed_and_deleted(both: House) -> None:
    api = both.api(both.anna)

    made = api.post("/api/assistants", {"name": "Бот", "telegram_bot_token": "1234567890:" + "A" * 35}, expect=201)
    path = f"/api/assistants/{made['id']}"
    changed = api.put(path, {"name": "Обновленное имя", "system_prompt": "Новый промпт", "is_active": False})
    masked = api.put(path, {"telegram_bot_token": made["telegram_bot_token"], "price": 2.5})
    listed = api.request("GET", "/api/assistants?limit=1")

    assert made["telegram_bot_token"] == "123456…AAAA"
    assert made["ai_model"] == "extractive"
    assert (changed["name"], changed["is_active"]) == ("Обновленное имя", False)
    assert masked["telegram_bot_token"] == "123456…AAAA"
    assert masked["price"] == 2.5
    assert listed.headers["X-Total-Count"] == "1"
    assert listed.json() == [api.get(path)] == [masked]
    api.delete(path)
    api.request("GET", path, expect=404)


def test_bad_assistants_name_the_field(house: House) -> None:
    api = house.api(house.anna)
    for body, status, code, field in (
        ({}, 422, "VALIDATION_ERROR", "name"),
        ({"name": " "}, 422, "VALIDATION_ERROR", "name"),
        ({"name": "a", "ai_model": "gpt-9"}, 422, "VALIDATION_ERROR", "ai_model"),
        ({"name": "a", "allowed_domains": ["https://a.ru/"]}, 422, "VALIDATION_ERROR", "allowed_domains.0"),
        ({"name": "a", "telegram_bot_token": "x"}, 422, "INVALID_TELEGRAM_TOKEN", "telegram_bot_token"),
        ({"name": "a", "price": -1}, 422, "INVALID_AMOUNT", None),
        ({"name": "a", "price": 1e400}, 422, "VALIDATION_ERROR", "price"),
        ({"name": "a", "is_active": True}, 422, "VALIDATION_ERROR", "is_active"),
        ({"name": "a", "user_id": 1}, 422, "VALIDATION_ERROR", "user_id"),
    ):
        content = json.dumps(body).replace("Infinity", "1e400")
        error = api.request("POST", "/api/assistants", expect=status, content=content).json()["error"]
        assert (error["code"], error["details"].get("field")) == (code, field), body


def test_the_embed_line_names_the_appliance_whatever_the_host_header_says(build: Build) -> None:
    house = build(REPLYX_SERVER__PUBLIC_URL="https://help.example.com/")
    made = house.assistant()
    api = house.api(house.anna, Host="evil.example")

    shown = api.get(f"/api/assistants/{made['id']}/embed")
    rotated = api.post(f"/api/assistants/{made['id']}/site-token", expect=200)

    line = '<script src="https://help.example.com/widget.js" data-site-token="{}" async></script>'
    assert shown["html"] == line.format(made["site_token"])
    assert rotated["site_token"] != made["site_token"]
    bare = api.post("/api/assistants", {"name": "b"})
    api.request("GET", f"/api/assistants/{bare['id']}/embed", expect=409)


def test_an_operator_finds_takes_answers_releases_and_archives_a_dialog(both: House) -> None:
    session = both.session(both.assistant(), name="Иван Петров", locale="ru")
    visitor, api = both.visitor(session), both.api(both.anna)
    mine = f"/api/widget/dialogs/{session['dialog_key']}/messages"
    path = f"/api/dialogs/{session['dialog_id']}"

    first = visitor.post(mine, {"text": "Позовите оператора", "client_msg_id": "m-1"}, expect=201)
    twin = visitor.post(mine, {"text": "Позовите оператора", "client_msg_id": "m-1"}, expect=201)
    waiting = api.get("/api/dialogs?handoff_status=requested&platform=website&status=active")
    taken = api.post(f"{path}/handoff/take", {"operator_name": "Ольга", "operator_id": both.anna.id}, expect=200)
    said = api.post(f"{path}/messages", {"text": "Слушаю вас", "operator_name": "Ольга"}, expect=201)
    released = api.post(f"{path}/handoff/release", expect=200)
    archived = api.put(path, {"status": "archived"})

    assert first == twin
    assert (first["sender"], first["seq"], first["client_msg_id"]) == ("user", 1, "m-1")
    row = waiting["dialogs"][0]
    assert (waiting["total"], waiting["has_more"]) == (1, False)
    assert (row["id"], row["first_name"], row["last_name"]) == (session["dialog_id"], "Иван", "Петров")
    assert (taken["is_taken_over"], taken["taken_over_by"], taken["handoff_status"]) == (True, both.anna.id, "active")
    assert said["operator_name"] == "Ольга"
    assert released["handoff_status"] == "released"
    assert archived["status"] == "archived"
    texts = [row["text"] for row in visitor.get(f"{mine}?after_seq=0")["messages"]]
    assert texts[0] == "Позовите оператора"
    assert texts[-1] == "Слушаю вас"
    _check_dialog_reading(api, path, texts)
    api.delete(path)
    visitor.request("GET", f"{mine}?after_seq=0", expect=404)


def _check_dialog_reading(api: Api, path: str, texts: list[str]) -> None:
    events = api.get(f"{path}/events?after_seq=0")
    assert [event["seq"] for event in events["events"]] == list(range(1, events["last_seq"] + 1))
    assert [row["text"] for row in api.get(f"{path}/messages")["messages"]] == texts
    exported = api.request("GET", f"{path}/export")
    assert exported.headers["Content-Disposition"].startswith("attachment")
    assert [row["text"] for row in exported.json()["messages"]] == texts


def test_a_request_for_a_person_keeps_the_customers_words_for_the_operator(house: House) -> None:
    session = house.session(house.assistant())
    api = house.api(house.anna)
    path = f"/api/dialogs/{session['dialog_id']}/handoff"

    asked = api.post(f"{path}/request", {"reason": "keyword", "last_user_text": "Хочу человека"}, expect=200)

    assert (asked["handoff_status"], asked["handoff_reason"]) == ("requested", "keyword")
    assert asked["handoff_note"] == "Хочу человека"
    api.request("POST", f"{path}/take", expect=403, json={"operator_id": house.anna.id + 1})
    for number in (-(10**30), -1, 0, 2**63):
        api.request("POST", f"{path}/take", expect=422, json={"operator_id": number})
    api.request("POST", f"{path}/request", expect=422, json={"reason": "boredom"})


def test_a_widgets_question_is_answered_and_paid(both: House) -> None:
    assistant = both.assistant(welcome_text="Здравствуйте!")
    both.api(both.anna).post(
        "/api/qa-knowledge",
        {"assistant_id": assistant["id"], "question": "Как вернуть товар?", "answer": "В течение 14 дней."},
        expect=201,
    )
    session = both.session(assistant)
    visitor = both.visitor(session)
    path = f"/api/widget/dialogs/{session['dialog_key']}/messages"
    asked = visitor.post(path, {"text": "Как вернуть товар?"}, expect=201)
    answers: list[Json] = []

    def answered() -> bool:
        page = visitor.get(f"{path}?after_seq={asked['seq']}")
        answers[:] = [row for row in page["messages"] if row["sender"] == "assistant"]
        return bool(answers)

    wait_until(answered, 20, "no answer came")
    assert answers[0]["text"] == "В течение 14 дней."
    assert (answers[0]["engine"], answers[0]["outcome"]) == ("qa", "answered")
    assert both.api(both.anna).get("/api/balance")["balance"] == 995.0
    paid = both.api(both.anna).get("/api/balance/transactions?type=debit")
    assert [(row["amount"], row["service_type"]) for row in paid["transactions"]] == [(-5.0, "widget_message")]
    again = both.session(assistant, visitor_token=session["visitor_token"])
    assert again["dialog_id"] == session["dialog_id"]
    assert [row["text"] for row in again["messages"]] == ["Как вернуть товар?", "В течение 14 дней."]


def test_nothing_of_another_tenant_can_be_seen_or_touched(both: House) -> None:
    assistant = both.assistant()
    session = both.session(assistant)
    qa = both.api(both.anna).post(
        "/api/qa-knowledge", {"assistant_id": assistant["id"], "question": "q?", "answer": "a"}, expect=201
    )
    stranger = both.api(both.boris)
    a, d, q = (
        f"/api/assistants/{assistant['id']}",
        f"/api/dialogs/{session['dialog_id']}",
        f"/api/qa-knowledge/{qa['id']}",
    )
    attempts: list[tuple[str, str, Any]] = [
        ("GET", a, None), ("PUT", a, {"name": "x"}), ("DELETE", a, None), ("GET", f"{a}/embed", None),
        ("POST", f"{a}/site-token", None), ("GET", d, None), ("PUT", d, {"status": "archived"}), ("DELETE", d, None),
        ("GET", f"{d}/messages", None), ("POST", f"{d}/messages", {"text": "x"}), ("GET", f"{d}/events", None),
        ("GET", f"{d}/export", None), ("POST", f"{d}/handoff/request", {}), ("POST", f"{d}/handoff/take", {}),
        ("POST", f"{d}/handoff/release", None), ("GET", q, None), ("PUT", q, {"answer": "x"}), ("DELETE", q, None),
        ("POST", "/api/qa-knowledge", {"assistant_id": assistant["id"], "question": "q", "answer": "a"}),
        ("GET", f"/api/knowledge/search?assistant_id={assistant['id']}&q=q", None),
    ]  # fmt: skip

    for method, path, body in attempts:
        answer = stranger.request(method, path, expect=404, json=body)
        assert answer.json()["error"]["code"] == "NOT_FOUND"
    for path in ("/api/assistants", "/api/dialogs", "/api/documents", "/api/qa-knowledge"):
        found = stranger.get(path)
        assert not (found["dialogs"] if "dialogs" in path else found)
        if path != "/api/assistants":
            stranger.request("GET", f"{path}?assistant_id={assistant['id']}", expect=404)
    assert both.api(both.anna).get(a)["name"] == "Техподдержка"
    assert both.api(both.anna).get(d)["status"] == "active"
    assert both.api(both.anna).get(q)["answer"] == "a"


def test_prepared_answers_are_made_found_changed_and_deleted(both: House) -> None:
    api = both.api(both.anna)
    assistant = both.assistant()
    body = {
        "assistant_id": assistant["id"],
        "question": "Как настроить бота?",
        "answer": "Перейдите в раздел",
        "tags": ["бот"],
    }

    made = api.post("/api/qa-knowledge", body, expect=201)
    changed = api.put(f"/api/qa-knowledge/{made['id']}", {"answer": "В раздел «Боты»"})
    listed = api.request("GET", f"/api/qa-knowledge?assistant_id={assistant['id']}&q=настроить")

    assert made["tags"] == ["бот"]
    assert listed.json() == [changed] == [api.get(f"/api/qa-knowledge/{made['id']}")]
    assert listed.headers["X-Total-Count"] == "1"
    api.delete(f"/api/qa-knowledge/{made['id']}")
    assert api.get("/api/qa-knowledge") == []
