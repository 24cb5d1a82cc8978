"""Who may call what: four kinds of callers at every route, compared with a table that is written here by hand."""

from __future__ import annotations

import re

import pytest

from replyx.server.routes import ROUTES
from tests.edges.conftest import Build
from tests.support.house import PASSWORD, SITE, House

#: Callers in the order of the marks below: nobody, an operator, an owner, an administrator.
CALLERS = ("anonymous", "operator", "owner", "admin")

#: `+` is let in, `-` has to log in (401), `x` may not (403). A route that is not here fails the test.
TABLE = {
    "++++": """
        POST /api/auth/login
        POST /api/auth/register
        POST /api/payments/{provider}/callback
        POST /telegram/{id:int}
        GET /healthz
        GET /readyz
        GET /metrics
        GET /openapi.json
        GET /docs
        GET /
        GET /verify-email
        POST /verify-email
        GET /demo
        GET /demo/config.json
        GET /widget.js
        GET /static/{path:path}
    """,
    "-+++": """
        POST /api/auth/logout
        POST /api/auth/refresh
        POST /api/ws-ticket
        GET /api/users/me
        PUT /api/users/me
        POST /api/users/change-password
        POST /api/users/me/verify-email
        POST /api/users/me/totp
        POST /api/users/me/totp/confirm
        POST /api/users/me/telegram
        DELETE /api/users/me/telegram
        DELETE /api/users/me/totp
        GET /api/dialogs
        GET /api/dialogs/{id:int}
        PUT /api/dialogs/{id:int}
        GET /api/dialogs/{id:int}/messages
        POST /api/dialogs/{id:int}/messages
        GET /api/dialogs/{id:int}/events
        GET /api/dialogs/{id:int}/attachments
        GET /api/attachments/{id:int}/file
        GET /api/dialogs/{id:int}/export
        POST /api/dialogs/{id:int}/handoff/request
        POST /api/dialogs/{id:int}/handoff/take
        POST /api/dialogs/{id:int}/handoff/release
    """,
    "-x++": """
        DELETE /api/users/me
        GET /api/users/me/export
        DELETE /api/dialogs/{id:int}
        GET /api/dialogs/{id:int}/traces
        GET /api/assistants
        POST /api/assistants
        GET /api/assistants/{id:int}
        PUT /api/assistants/{id:int}
        DELETE /api/assistants/{id:int}
        POST /api/assistants/{id:int}/site-token
        GET /api/assistants/{id:int}/embed
        GET /api/assistants/{id:int}/bot
        POST /api/documents/upload
        GET /api/documents
        GET /api/documents/{id:int}
        PUT /api/documents/{id:int}
        DELETE /api/documents/{id:int}
        GET /api/qa-knowledge
        POST /api/qa-knowledge
        GET /api/qa-knowledge/{id:int}
        PUT /api/qa-knowledge/{id:int}
        DELETE /api/qa-knowledge/{id:int}
        GET /api/knowledge/search
        GET /api/api-keys
        POST /api/api-keys
        GET /api/api-keys/{id:int}
        PUT /api/api-keys/{id:int}
        DELETE /api/api-keys/{id:int}
        GET /api/documents/{id:int}/file
        GET /api/qa-knowledge/export
        POST /api/qa-knowledge/import
        GET /api/knowledge/gaps
        POST /api/knowledge/gaps/solve
        GET /api/knowledge/sites
        POST /api/knowledge/sites
        GET /api/knowledge/sites/{id:int}
        PUT /api/knowledge/sites/{id:int}
        DELETE /api/knowledge/sites/{id:int}
        POST /api/knowledge/sites/{id:int}/visit
        GET /api/balance
        GET /api/balance/transactions
        GET /api/balance/payments
        POST /api/balance/top-up
    """,
    "-xx+": """
        GET /api/admin/ai-tokens
        POST /api/admin/ai-tokens
        GET /api/admin/ai-tokens/{id:int}
        PUT /api/admin/ai-tokens/{id:int}
        DELETE /api/admin/ai-tokens/{id:int}
        GET /api/admin/users
        GET /api/admin/users/{id:int}
        PUT /api/admin/users/{id:int}
        GET /api/admin/audit
        GET /api/admin/payments
        POST /api/admin/payments/{id:int}/confirm
        POST /api/admin/users/{id:int}/credit
        GET /api/admin/system/health
    """,
    "----": """
        GET /v1/models
        GET /v1/models/{model}
        POST /v1/chat/completions
        POST /api/widget/sessions
        GET /api/widget/dialogs/{key}/messages
        POST /api/widget/dialogs/{key}/messages
    """,
}


def _written() -> dict[str, str]:
    rows = [(line.strip(), marks) for marks, lines in TABLE.items() for line in lines.split("\n") if line.strip()]
    assert len(rows) == len(dict(rows)), "a route stands twice in the table"
    return dict(rows)


def _mark(status: int) -> str:
    return {401: "-", 403: "x"}.get(status, "+")


@pytest.fixture
def home(build: Build, database_url: str) -> House:
    """A house without a worker: the test runs once on each kind of database."""
    return build(REPLYX_DATABASE__URL=database_url)


def test_every_caller_may_at_every_route_what_the_table_says(home: House) -> None:
    operator = home.operator()
    people = (None, operator, home.anna, home.admin)
    found = {}

    for route in ROUTES:
        url = re.sub(r"\{\w+(:\w+)?\}", "999999", route.path)
        # A login of its own for each call: one of the routes ends it. The body is none of any route's.
        answers = [home.api(who).client.request(route.method, url, json={"nothing": 1}) for who in people]
        # What is wrong with a body or an id is told only to those who may.
        found[f"{route.method} {route.path}"] = "".join(_mark(answer.status_code) for answer in answers)
        assert all(a.status_code < 500 for a in answers) or route.path == "/readyz", route

    assert found == _written()


def test_no_method_beside_the_tables_is_answered(home: House) -> None:
    known = _written()
    for person in (home.operator(), home.anna, home.admin):
        api = home.api(person)
        for path in {route.path for route in ROUTES}:
            taken = {row.split()[0] for row in known if row.split()[1] == path}
            for method in {"POST", "PUT", "PATCH", "DELETE", "TRACE"} - taken:
                url = re.sub(r"\{\w+(:\w+)?\}", "999999", path)
                assert api.client.request(method, url).status_code == 405, (method, path)


def test_an_operator_answers_its_owners_dialogs_and_nobody_elses(home: House) -> None:
    operator = home.operator()
    api = home.api(operator)
    mine, foreign = (
        home.session(home.assistant()),
        home.session(home.assistant(home.boris)),
    )
    path, other = (f"/api/dialogs/{session['dialog_id']}" for session in (mine, foreign))

    listed = api.get("/api/dialogs")
    taken = api.post(f"{path}/handoff/take", {"operator_name": "Ольга"}, expect=200)
    said = api.post(f"{path}/messages", {"text": "Слушаю вас"}, expect=201)
    socket = home.desk_socket(operator, mine["dialog_id"])
    socket.send({"type": "send_message", "text": "Минуту"})

    assert [row["id"] for row in listed["dialogs"]] == [mine["dialog_id"]]
    assert (taken["taken_over_by"], said["operator_name"]) == (operator.id, "Ольга")
    assert socket.wait_for(lambda f: f["type"] == "new_message")["message"]["text"] == "Минуту"
    assert home.desk_socket(operator, foreign["dialog_id"]).close_code() == 4404
    for method, tail, body in (
        ("GET", "", None), ("PUT", "", {"status": "archived"}), ("GET", "/messages", None), ("GET", "/events", None),
        ("POST", "/messages", {"text": "x"}), ("GET", "/export", None), ("POST", "/handoff/request", {}),
        ("POST", "/handoff/take", {}), ("POST", "/handoff/release", {}),
    ):  # fmt: skip
        api.request(method, other + tail, expect=404, json=body)
    # The owner reads what its operator did.
    assert home.api(home.anna).get(path)["taken_over_by"] == operator.id


def test_an_operator_is_shown_no_money_and_no_secret(home: House) -> None:
    operator = home.operator()
    home.assistant(telegram_bot_token="1234567890:" + "A" * 35)
    api = home.api(operator)

    me = api.get("/api/users/me")
    login = home.api().post("/api/auth/login", {"email": operator.email, "password": PASSWORD}, expect=200)

    assert me["role"] == "operator"
    money = {"balance", "welcome_bonus", "plan", "total_spent", "held"}
    assert not money & {*me, *login["user"]}
    for path in ("/api/assistants", "/api/documents", "/api/balance", "/api/admin/users", "/api/qa-knowledge"):
        assert api.request("GET", path, expect=403).json()["error"]["code"] == "INSUFFICIENT_PERMISSIONS"


def test_an_operator_is_out_as_soon_as_its_owner_is(home: House) -> None:
    operator = home.operator()
    session = home.session(home.assistant())
    api, socket = home.api(operator), home.desk_socket(operator, session["dialog_id"])

    home.app.accounts.set_active(home.anna.id, active=False)

    assert socket.close_code() == 4401
    api.request("GET", "/api/dialogs", expect=401)
    home.api().request("POST", "/api/auth/login", expect=401, json={"email": operator.email, "password": PASSWORD})
    home.app.accounts.set_active(home.anna.id, active=True)
    api.request("GET", "/api/dialogs", expect=401)
    home.api().post("/api/auth/login", {"email": operator.email, "password": PASSWORD}, expect=200)


def test_an_operators_page_must_be_listed_as_an_owners(home: House) -> None:
    operator, session = home.operator(), home.session(home.assistant())
    path = f"/ws/dialogs/{session['dialog_id']}?token={home.token(operator)}"

    evil = home.stack.enter_context(home.api().socket(path, Origin="https://evil.example"))
    listed = home.stack.enter_context(home.api().socket(path, Origin=SITE))

    assert evil.close_code() == 4403
    listed.send({"type": "resume", "last_seq": 999})
    assert listed.next()["type"] == "resync"
