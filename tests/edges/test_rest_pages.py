"""Pages and scripts: what they may load, that browsers keep them, and what the demo is told."""

from __future__ import annotations

from tests.edges.conftest import Build
from tests.support.house import House


def test_pages_load_nothing_but_the_appliances_own_files(house: House) -> None:
    for path in ("/", "/demo"):
        answer = house.api().request("GET", path, expect=200)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "<script>" not in answer.text
        assert " style=" not in answer.text


def test_the_widget_is_any_pages_and_kept_by_its_tag(house: House) -> None:
    api = house.api()

    answer = api.request("GET", "/widget.js", expect=200)
    again = api.client.get("/widget.js", headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "javascript" in answer.headers["Content-Type"]
    assert again.status_code == 304
    assert not again.content
    assert api.client.head("/widget.js").headers["ETag"] == answer.headers["ETag"]


def test_files_beside_the_static_folder_are_out_of_reach(house: House) -> None:
    api = house.api()

    for path in ("nothing.css", "../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "", "/etc/passwd", "a%00b"):
        assert api.client.get(f"/static/{path}").status_code == 404, path


def test_the_demo_is_told_what_it_shows(build: Build) -> None:
    house = build()
    api = house.api()
    nothing = api.request("GET", "/demo/config.json", expect=404)
    mine = house.assistant(house.admin, name="Первый", welcome_text="Здравствуйте!")
    annas = house.assistant()

    shown = api.get("/demo/config.json")
    other = api.get(f"/demo/config.json?site_token={annas['site_token']}")

    assert nothing.json()["error"]["message"].startswith("Показывать пока нечего")
    assert shown == {
        "site_token": mine["site_token"],
        "assistant_name": "Первый",
        "welcome_text": "Здравствуйте!",
        "engine": "extractive",
        "documents": 0,
    }
    assert other["assistant_name"] == "Техподдержка"
    api.request("GET", "/demo/config.json?site_token=st_nothing", expect=401)


def test_the_demo_can_be_switched_off(build: Build) -> None:
    house = build(REPLYX_DEMO__ENABLED="false")
    made = house.assistant(house.admin)

    for query in ("", f"?site_token={made['site_token']}"):
        house.api().request("GET", f"/demo/config.json{query}", expect=404)
