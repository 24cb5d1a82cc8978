"""The audit log and single users, over HTTP and on the command line, for administrators."""

from __future__ import annotations

from pathlib import Path

from tests.edges.conftest import Build
from tests.support.cli import Cli
from tests.support.house import PASSWORD, House


def test_the_log_says_who_did_what_from_where(both: House) -> None:
    admin, anna = both.api(both.admin), both.api(both.anna)
    both.api().post("/api/auth/login", {"email": both.anna.email, "password": PASSWORD}, expect=200)
    both.api().request("POST", "/api/auth/login", expect=401, json={"email": both.anna.email, "password": "x"})
    both.api(Authorization="Bearer a.b.c").request("GET", "/api/users/me", expect=401)
    both.api().request("GET", "/api/users/me", expect=401)
    anna.request("GET", "/api/admin/users", expect=403)
    admin.post(f"/api/admin/users/{both.anna.id}/credit", {"amount": 10.5, "description": "a\r\nb"}, expect=200)
    admin.put(f"/api/admin/users/{both.anna.id}", {"plan": "pro"})

    found = admin.get("/api/admin/audit?limit=6")

    rows = [(r["action"], r["outcome"], r["user_id"], r["object"]) for r in found["events"]]
    anna_id, admin_id = both.anna.id, both.admin.id
    assert rows == [
        ("user.changed", "ok", admin_id, f"user:{anna_id}"),
        ("money.credit", "ok", admin_id, f"user:{anna_id}"),
        ("permission.refused", "refused", anna_id, "GET /api/admin/users"),
        ("auth.refused", "refused", None, "GET /api/users/me"),
        ("login", "refused", None, both.anna.email),
        ("login", "ok", anna_id, both.anna.email),
    ]
    assert {r["peer"] for r in found["events"]} == {"127.0.0.1"}
    assert found["events"][1]["details"] == {"kopecks": 1050, "description": "a\\r\\nb"}
    assert found["total"] >= 6
    assert admin.get("/api/admin/audit?action=login&outcome=refused")["total"] == 1
    assert admin.get(f"/api/admin/audit?user_id={anna_id}&since=2020-01-01T00:00:00Z")["total"] == 2
    assert admin.get("/api/admin/audit?until=2020-01-01T00:00:00Z") == {"events": [], "total": 0}
    for query in ("since=yesterday", "since=2020-01-01T00:00:00", "until=0.5", "outcome=maybe", "limit=201"):
        admin.request("GET", f"/api/admin/audit?{query}", expect=422)


def test_too_many_logins_are_in_the_log(build: Build) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true")
    for _ in range(9):
        house.api().client.post("/api/auth/login", json={"email": "nobody@example.com", "password": "x"})

    found = house.api(house.admin).get("/api/admin/audit?outcome=refused")["events"]

    assert [row["action"] for row in found] == ["rate.limited"] + ["login"] * 5


def test_an_administrator_sees_changes_and_locks_out_a_user(both: House) -> None:
    admin, anna = both.api(both.admin), both.api(both.anna)
    path = f"/api/admin/users/{both.anna.id}"

    shown = admin.get(path)
    changed = admin.put(path, {"first_name": "Анна", "last_name": "К.", "plan": "pro", "onboarding_completed": True})
    locked = admin.put(path, {"is_active": False})

    assert (shown["email"], shown["role"], shown["plan"], shown["balance"]) == (
        both.anna.email,
        "owner",
        "trial",
        1000.0,
    )
    assert (changed["last_name"], changed["plan"], changed["onboarding_completed"]) == ("К.", "pro", True)
    assert locked["is_active"] is False
    anna.request("GET", "/api/users/me", expect=401)
    assert admin.put(path, {"is_active": True})["is_active"] is True
    admin.request("PUT", f"/api/admin/users/{both.admin.id}", expect=409, json={"is_active": False})
    admin.request("GET", "/api/admin/users/999999", expect=404)
    admin.request("PUT", "/api/admin/users/999999", expect=404, json={"plan": "x"})
    for body in ({"is_admin": True}, {"balance": 1}, {"email": "x@example.com"}, {"plan": "x" * 33}, {"role": "admin"}):
        admin.request("PUT", path, expect=422, json=body)


def test_the_command_line_reads_and_is_in_the_log(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "box")
    cli.json("users", "create", "a@example.com", "--password-stdin", stdin=PASSWORD + "\n")
    cli.json("users", "credit", "a@example.com", "5")

    rows = cli.json("users", "audit")

    assert [(r["action"], r["peer"]) for r in rows[:2]] == [("money.credit", "cli"), ("money.bonus", "cli")]
    assert "user.created" in cli.run("users", "audit", "--action", "user.created").out
    assert cli.json("users", "audit", "--refused") == []
