"""The widget's routes from other sites: which origins pass, what browsers are told, and that sessions last."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.edges.conftest import Build
from tests.support.house import SITE, House

#: Origins that must not pass where `shop.example` and `*.shop.ru` are listed.
REFUSED_ORIGINS = [
    "null", "", "https://example.com", "https://shop.example.evil.io", "https://evil-shop.example", "http://shop.example",
    "https://shop.example:8443", "https://SHOP.example", "https://shop.example/", "https://shop.example.",
    "shop.example",
    "https://user@shop.example", "https://shop.example@evil.io", "https://sub.shop.example", "https://shop.ru",
    "https://evilshop.ru", "ftp://shop.example", "https://shop.example, https://shop.example", "https://xn--shop.example",
    "file://", "https://", "https://shop.example#", "https://shop.example?x", "https://shop%2eexample", "http://localhost",
    "http://127.0.0.1", "http://127.0.0.1:1", "http://[::1]", "chrome-extension://abc", "https://shop.example:443",
    "https://shop.example:", "https://user:pw@shop.example", "https://shop.example\\@evil.io", "HTTPS://shop.example",
    "https://shop..example", "https://.shop.example", "//shop.example", "ws://shop.example", "wss://shop.example",
    "https://a.shop.ru.evil.io", "https://xn--e1afmkfd.shop.example", "https://0x7f.1", "*",
]  # fmt: skip


def test_only_listed_origins_open_a_session(house: House) -> None:
    assistant = house.assistant(allowed_domains=["shop.example", "*.shop.ru"])
    headers = {"X-Site-Token": assistant["site_token"]}
    port = urlsplit(house.url).port

    for origin in [*REFUSED_ORIGINS, f"http://evil.example:{port}"]:
        given = {**headers, "Origin": origin}
        answer = house.api().request("POST", "/api/widget/sessions", expect=403, json={}, headers=given)
        assert answer.json()["error"]["code"] == "INSUFFICIENT_PERMISSIONS"
        assert "Access-Control-Allow-Origin" not in answer.headers, origin
    house.api().request("POST", "/api/widget/sessions", expect=403, json={}, headers=headers)
    for origin in (SITE, "https://a.shop.ru", "https://a.b.shop.ru"):
        given = {**headers, "Origin": origin}
        answer = house.api().request("POST", "/api/widget/sessions", expect=201, json={}, headers=given)
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_the_appliances_own_pages_pass_without_being_listed(build: Build) -> None:
    house = build(REPLYX_SERVER__PUBLIC_URL="https://help.example.org")
    assistant = house.assistant(allowed_domains=[])
    port = urlsplit(house.url).port

    own = (f"http://127.0.0.1:{port}", f"http://localhost:{port}", f"http://[::1]:{port}", "https://help.example.org")
    for origin in own:
        assert house.session(assistant, origin=origin)["dialog_id"]
    for host in ("evil.example", f"evil.example:{port}"):
        given = {"X-Site-Token": assistant["site_token"], "Origin": f"http://{host}", "Host": host}
        house.api().request("POST", "/api/widget/sessions", expect=403, json={}, headers=given)


def test_a_server_on_every_address_knows_the_one_it_was_reached_at(build: Build) -> None:
    house = build(REPLYX_SERVER__HOST="0.0.0.0")
    port = urlsplit(house.url).port
    here = house.api()
    here.client.base_url = f"http://127.0.0.2:{port}"
    owner = house.app.accounts.authenticate(house.token(house.anna))
    made = house.app.assistants.create(owner, name="a", website_integration=True)
    headers = {"X-Site-Token": made.site_token or "", "Origin": f"http://127.0.0.2:{port}"}

    here.request("POST", "/api/widget/sessions", expect=201, json={}, headers=headers)
    here.request(
        "POST", "/api/widget/sessions", expect=403, json={}, headers={**headers, "Origin": f"http://127.0.0.3:{port}"}
    )


def test_a_preflight_is_answered_for_the_widgets_routes_only(house: House) -> None:
    asking = {"Origin": SITE, "Access-Control-Request-Method": "POST"}

    answer = house.api().request("OPTIONS", "/api/widget/sessions", expect=204, headers=asking)
    house.api().request("OPTIONS", "/api/auth/login", expect=405, headers=asking)
    house.api().request("OPTIONS", "/api/widget/sessions", expect=403, headers={**asking, "Origin": "null"})

    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert "X-Site-Token" in answer.headers["Access-Control-Allow-Headers"]
    assert "Origin" in answer.headers["Vary"]


def test_no_other_route_shares_its_answers_with_other_sites(house: House) -> None:
    api = house.api(house.anna, Origin=SITE)

    for path in ("/api/users/me", "/api/assistants", "/healthz", "/openapi.json", "/", "/demo", "/demo/config.json"):
        assert "Access-Control-Allow-Origin" not in api.client.get(path).headers, path


def test_a_visitor_comes_back_to_the_same_dialog_and_to_no_other(house: House) -> None:
    assistant, other = house.assistant(), house.assistant()
    first = house.session(assistant, name="Иван")

    back = house.session(assistant, visitor_token=first["visitor_token"])
    elsewhere = house.session(other, visitor_token=first["visitor_token"])
    forged = house.session(assistant, visitor_token="forged")

    assert back["dialog_key"] == first["dialog_key"]
    assert len({first["dialog_id"], elsewhere["dialog_id"], forged["dialog_id"]}) == 3
    assert first["socket_url"] == f"/ws/dialogs/{first['dialog_key']}"
    assert len(first["dialog_key"]) == 32
    path = f"/api/widget/dialogs/{elsewhere['dialog_key']}/messages"
    house.visitor(first).request("GET", path, expect=404)
    house.visitor(first).request("POST", path, expect=404, json={"text": "x"})
    house.visitor(first).request("GET", f"/api/widget/dialogs/{'0' * 32}/messages", expect=404)


def test_a_switched_off_assistant_and_a_replaced_site_token_open_nothing(house: House) -> None:
    assistant = house.assistant()
    session = house.session(assistant)
    path = f"/api/widget/dialogs/{session['dialog_key']}/messages"
    headers = {"X-Site-Token": assistant["site_token"], "Origin": SITE}
    owner = house.api(house.anna)

    owner.post(f"/api/assistants/{assistant['id']}/site-token", expect=200)
    house.api().request("POST", "/api/widget/sessions", expect=401, json={}, headers=headers)
    house.visitor(session).request("GET", path, expect=200)
    owner.put(f"/api/assistants/{assistant['id']}", {"is_active": False})
    house.visitor(session).request("GET", path, expect=401)


def test_reading_from_the_appliances_own_page_needs_no_origin_but_writing_does(house: House) -> None:
    session = house.session(house.assistant())
    path = f"/api/widget/dialogs/{session['dialog_key']}/messages"
    api = house.api(Authorization=f"Bearer {session['visitor_token']}")

    api.request("GET", path, expect=200)
    api.request("POST", path, expect=403, json={"text": "x"})
    answer = api.request("GET", path, expect=403, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_messages_that_are_empty_or_too_long_are_refused(house: House) -> None:
    session = house.session(house.assistant())
    visitor = house.visitor(session)
    path = f"/api/widget/dialogs/{session['dialog_key']}/messages"

    for body in (
        {"text": " \n"},
        {"text": "x" * 8001},
        {"text": "x", "client_msg_id": ""},
        {"text": "x", "sender": "operator"},
    ):
        visitor.request("POST", path, expect=422, json=body)
    assert visitor.get(path) == {"messages": [], "last_seq": 0}


def test_a_dialog_key_of_any_characters_is_just_not_found(house: House) -> None:
    visitor = house.visitor(house.session(house.assistant()))

    for key in ("%D0%BA%D0%BB%D1%8E%D1%87", "1v%F2%A3%85%A3%E4%B1%A9", "%FF%FE", "%E2%98%83"):
        visitor.request("GET", f"/api/widget/dialogs/{key}/messages", expect=404)


def test_a_visitor_cannot_take_the_names_of_an_operators_messages(both: House) -> None:
    session = both.session(both.assistant())
    visitor, anna = both.visitor(session), both.api(both.anna)
    path, desk = (
        f"/api/widget/dialogs/{session['dialog_key']}/messages",
        f"/api/dialogs/{session['dialog_id']}/messages",
    )

    first = visitor.post(path, {"text": "Захват", "client_msg_id": "op-1"}, expect=201)
    said = [anna.post(desk, {"text": "Добрый день", "client_msg_id": "op-1"}, expect=201) for _ in range(2)]
    again = visitor.post(path, {"text": "Захват", "client_msg_id": "op-1"}, expect=201)

    assert (said[0]["text"], said[0]["sender"]) == ("Добрый день", "operator")
    assert said[0]["id"] == said[1]["id"] != first["id"] == again["id"]
