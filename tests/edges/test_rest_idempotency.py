"""`Idempotency-Key`: a request that is sent again is answered again, and done once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from replyx.errors import Conflict
from replyx.events.idempotency import Claim, FirstAnswer
from replyx.storage.billing import Payment
from replyx.storage.database import Database
from replyx.storage.idempotency import IdempotencyKey
from replyx.types import Actor, Role
from tests.edges.conftest import Build
from tests.support.house import House
from tests.support.http import Api, Json
from tests.support.programs import wait_until

KEY = {"Idempotency-Key": "order-1"}

BODY: Json = {"name": "Техподдержка"}


def _assistants(house: House, headers: dict[str, str] = KEY, body: Json = BODY) -> Any:
    return house.api(house.anna).client.post("/api/assistants", json=body, headers=headers)


def _upload(api: Api, assistant_id: int, content: bytes) -> Any:
    files = {"file": ("a.txt", content)}
    return api.client.post("/api/documents/upload", data={"assistant_id": str(assistant_id)}, files=files, headers=KEY)


def test_twenty_racing_twins_have_one_effect(both: House) -> None:
    together = threading.Barrier(20)
    session = both.session(both.assistant())
    visitor, path = both.visitor(session), f"/api/widget/dialogs/{session['dialog_key']}/messages"

    def send(_: int) -> Any:
        with Api(both.url, session["visitor_token"], Origin="https://shop.example") as api:
            together.wait(20)
            return api.client.post(path, json={"text": "Здравствуйте"}, headers=KEY)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    said = visitor.get(path)["messages"]
    assert [row["text"] for row in said if row["sender"] == "user"] == ["Здравствуйте"]
    again = visitor.client.post(path, json={"text": "Здравствуйте"}, headers=KEY)
    assert (again.status_code, again.json()["id"]) == (201, said[0]["id"])
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_top_up_that_is_sent_by_twenty_makes_one_payment(build: Build, database_url: str) -> None:
    house = build(REPLYX_DATABASE__URL=database_url)
    together, token = threading.Barrier(20), house.token(house.anna)

    def send(_: int) -> Any:
        with Api(house.url, token) as api:
            together.wait(20)
            return api.client.post("/api/balance/top-up", json={"amount": 500.0}, headers=KEY)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["payment_id"] for answer in answers if answer.status_code == 201}) == 1
    with house.app.db.connection():
        assert Payment.select().count() == 1


def test_every_route_that_takes_keys_replays_its_first_answer(house: House) -> None:
    made = house.assistant()
    anna = house.api(house.anna)
    dialog_id = house.session(made)["dialog_id"]

    assistants = [_assistants(house) for _ in range(2)]
    documents = [_upload(anna, made["id"], b"Words to read.") for _ in range(2)]
    words = [
        anna.client.post(f"/api/dialogs/{dialog_id}/messages", json={"text": "Добрый день"}, headers=KEY)
        for _ in range(2)
    ]

    for first, again in (assistants, documents, words):
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
    assert len(anna.get("/api/assistants")) == 2
    assert len(anna.get("/api/documents")) == 1
    assert len(anna.get(f"/api/dialogs/{dialog_id}/messages")["messages"]) == 1


def test_another_body_under_the_key_is_refused(house: House) -> None:
    made = house.assistant()
    anna = house.api(house.anna)
    _assistants(house)
    _upload(anna, made["id"], b"Words to read.")

    other = _assistants(house, body={"name": "Другой"})
    document = _upload(anna, made["id"], b"Other words.")

    assert [row.json()["error"]["code"] for row in (other, document)] == ["IDEMPOTENCY_MISMATCH"] * 2
    assert other.status_code == 422
    assert _assistants(house, headers={"Idempotency-Key": "order-2"}, body={"name": "Другой"}).status_code == 201


def test_the_order_of_the_bodys_keys_is_no_other_body(house: House) -> None:
    first = _assistants(house, body={"name": "А", "description": "Б"})
    again = _assistants(house, body={"description": "Б", "name": "А"})

    assert first.json() == again.json()


def test_keys_are_each_callers_own(house: House) -> None:
    mine = _assistants(house).json()

    theirs = house.api(house.boris).client.post("/api/assistants", json=BODY, headers=KEY)

    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine["id"]


def test_refused_bodies_leave_the_key_free(house: House) -> None:
    assert _assistants(house, body={"name": 1}).status_code == 422
    assert _assistants(house, body={"name": "А", "ai_model": "no-such-model"}).status_code == 422
    assert _assistants(house).status_code == 201


def test_an_answer_of_the_work_itself_is_kept_even_if_it_is_a_refusal(house: House) -> None:
    anna = house.api(house.anna)
    path = "/api/dialogs/4711/messages"

    first, again = (anna.client.post(path, json={"text": "А"}, headers=KEY) for _ in range(2))

    assert (first.status_code, first.content) == (again.status_code, again.content) == (404, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
def test_keys_that_are_none_are_refused(house: House, key: str) -> None:
    answer = _assistants(house, headers={"Idempotency-Key": key})

    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == "Idempotency-Key"


def test_a_key_whose_process_died_is_free_after_its_lease(build: Build, database_url: str) -> None:
    house = build(REPLYX_DATABASE__URL=database_url)
    keys, actor = house.app.idempotency, Actor(Role.OWNER, user_id=house.anna.id)
    dead = keys.claim(actor, "POST /x", "k", "d" * 64)
    assert isinstance(dead, Claim)
    _expire(house.app.db, IdempotencyKey.lease_until)

    heir = keys.claim(actor, "POST /x", "k", "d" * 64)

    assert isinstance(heir, Claim)
    assert keys.complete(dead, 201, "{}") is False
    assert keys.complete(heir, 201, '{"id":1}') is True
    assert keys.claim(actor, "POST /x", "k", "d" * 64) == FirstAnswer(201, '{"id":1}')


def test_a_request_under_way_keeps_its_key_however_long_it_takes(build: Build, database_url: str) -> None:
    house = build(REPLYX_DATABASE__URL=database_url)
    keys, actor = house.app.idempotency, Actor(Role.OWNER, user_id=house.anna.id)
    claim = keys.claim(actor, "POST /x", "k", "d" * 64)
    assert isinstance(claim, Claim)
    _expire(house.app.db, IdempotencyKey.lease_until)

    keys.hold(claim)
    wait_until(lambda: _is_held(house.app.db), 60, "the claim is not renewed")

    with pytest.raises(Conflict):
        keys.claim(actor, "POST /x", "k", "d" * 64)
    keys.drop(claim)
    assert keys.complete(claim, 201, "{}") is True


def test_answers_are_sealed_and_forgotten_after_a_day(build: Build, database_url: str) -> None:
    house = build(REPLYX_DATABASE__URL=database_url)
    first = _assistants(house)
    with house.app.db.connection():
        assert "Техподдержка" not in str(IdempotencyKey.get().body)
    assert house.app.idempotency.purge() == 0
    _expire(house.app.db, IdempotencyKey.expires_at)

    second = _assistants(house)

    assert second.json()["id"] != first.json()["id"]
    _expire(house.app.db, IdempotencyKey.expires_at)
    assert house.app.idempotency.purge() == 1


def _is_held(db: Database) -> bool:
    with db.connection():
        return bool(IdempotencyKey.select().where(IdempotencyKey.lease_until > db.now_ms()).exists())


def _expire(db: Database, column: Any) -> None:
    with db.transaction():
        IdempotencyKey.update({column: db.now_ms(-1)}).execute()
