"""Money, keys, users and health over HTTP."""

from __future__ import annotations

import httpx2

from tests.edges.conftest import Build
from tests.support.house import House
from tests.support.programs import wait_until
from tests.support.redis import RedisServer


def test_an_administrator_keeps_ai_keys_and_nobody_sees_them_whole(both: House) -> None:
    admin = both.api(both.admin)
    secret = "sk-proj-0123456789abcdefa1b2"
    body = {"name": "Backup", "token": secret, "model_access": ["gpt-3.5-turbo"], "daily_limit": 500, "priority": 2}

    made = admin.post("/api/admin/ai-tokens", body, expect=201)
    path = f"/api/admin/ai-tokens/{made['id']}"
    changed = admin.put(path, {"token": made["token"], "monthly_limit": 15000, "is_active": False})

    assert made["token"] == "sk-…a1b2"
    assert (changed["token"], changed["monthly_limit"], changed["is_active"]) == ("sk-…a1b2", 15000, False)
    listed = admin.request("GET", "/api/admin/ai-tokens")
    assert listed.json() == [changed] == [admin.get(path)]
    assert secret not in listed.text
    admin.request("POST", "/api/admin/ai-tokens", expect=409, json=body)
    admin.request("POST", "/api/admin/ai-tokens", expect=422, json={**body, "name": "b", "daily_usage": 0})
    admin.delete(path)
    admin.request("GET", path, expect=404)


def test_an_administrator_credits_a_user_and_sees_what_each_has(both: House) -> None:
    admin = both.api(both.admin)
    both.session(both.assistant())
    path = f"/api/admin/users/{both.anna.id}/credit"

    credited = admin.post(path, {"amount": 12.5, "description": "За неудобства"}, expect=200)
    listed = admin.get("/api/admin/users")

    assert credited["balance"] == 1012.5
    row = next(row for row in listed["users"] if row["id"] == both.anna.id)
    assert listed["total"] == len(listed["users"]) == 2
    assert (row["balance"], row["total_spent"], row["assistants_count"], row["dialogs_count"]) == (1012.5, 0.0, 1, 1)
    statement = both.api(both.anna).get("/api/balance/transactions")["transactions"]
    assert next((line["amount"], line["description"]) for line in statement) == (12.5, "За неудобства")
    for amount in (0, -1, 0.001, 1e9):
        answer = admin.request("POST", path, expect=422, json={"amount": amount})
        assert answer.json()["error"]["code"] == "INVALID_AMOUNT"
    admin.request("POST", "/api/admin/users/999999/credit", expect=404, json={"amount": 1})


def test_health_shows_every_part_of_an_appliance_in_one_process(both: House) -> None:
    both.assistant()
    wait_until(lambda: both.api().client.get("/readyz").status_code == 200, 10, "not ready")
    api = both.api(both.admin)

    wait_until(lambda: api.get("/api/admin/system/health")["workers"], 10, "the worker did not beat")
    health = api.get("/api/admin/system/health")

    assert health["redis"] == {"connected": False, "memory_usage": "0B", "mode": "embedded"}
    assert health["database"]["connected"] is True
    assert health["queue"] == {"depth": 0, "oldest_age": 0.0}
    assert health["models"][-1] == {"name": "extractive", "engine": "extractive"}
    assert {row["name"] for row in health["checks"]} == {"database", "worker", "bots", "queue", "disk"}
    assert all(row["ok"] for row in health["checks"] if row["name"] != "bots")
    # No bot manager runs in this house.
    assert health["status"] == "degraded"


def test_redis_is_shown_where_there_is_one_and_its_loss_as_well(
    build: Build, redis_server: RedisServer, redis_url: str
) -> None:
    house = build(REPLYX_REDIS__URL=redis_url)
    api = house.api(house.admin)

    there = api.get("/api/admin/system/health")["redis"]
    redis_server.kill()
    try:
        gone = api.get("/api/admin/system/health")["redis"]
        ready = house.api().client.get("/readyz")
    finally:
        redis_server.start_again()

    assert (there["connected"], there["memory_usage"][-2:]) == (True, "MB")
    assert gone["connected"] is False
    # What Redis would have said is found in the database.
    assert ready.status_code == 200
    assert not next(row for row in ready.json()["checks"] if row["name"] == "redis")["ok"]


def test_an_appliance_without_its_database_is_alive_and_not_ready(build: Build, postgres_url: str) -> None:
    house = build(REPLYX_DATABASE__URL=postgres_url, REPLYX_DATABASE__TIMEOUT="0.5")
    token = house.token(house.anna)
    house.app.db.native.connect_params["port"] = 1
    anyone, owner = house.api().client, house.api(Authorization=f"Bearer {token}").client
    answers: list[httpx2.Response] = []

    def is_cut_off() -> bool:
        # A connection that is in use comes back to the pool, and is closed the next time.
        house.app.db.native.close_idle()
        answers[:] = [anyone.get("/readyz"), owner.get("/api/users/me")]
        return [answer.status_code for answer in answers] == [503, 503]

    wait_until(is_cut_off, 10, "the server went on without its database")
    ready, refused = answers

    house.api().request("GET", "/healthz", expect=200)
    assert [row["ok"] for row in ready.json()["checks"] if row["name"] == "database"] == [False]
    assert refused.json()["error"] == {
        "code": "SERVICE_UNAVAILABLE",
        "message": "База данных недоступна",
        "details": {},
    }
