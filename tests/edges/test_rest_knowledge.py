"""Web sites, files of prepared answers, and files of documents over HTTP."""

from __future__ import annotations

import json

from tests.edges.conftest import Build
from tests.support.house import House
from tests.support.pdfs import pdf
from tests.support.programs import wait_until
from tests.support.sites import pages

_OPEN = {"REPLYX_OUTGOING__ALLOW": "127.0.0.0/8", "REPLYX_KNOWLEDGE__SITE_PAUSE_SECONDS": "0"}


def test_a_site_is_read_by_the_worker_listed_visited_and_forgotten(build: Build) -> None:
    house = build(with_worker=True, **_OPEN)
    api, assistant = house.api(house.anna), house.assistant()
    with pages() as (shop, _):
        shop.page("/", "Доставка", "Доставка стоит триста рублей.")
        body = {"assistant_id": assistant["id"], "url": shop.url}

        made = api.post("/api/knowledge/sites", body, expect=201)
        path = f"/api/knowledge/sites/{made['id']}"
        wait_until(lambda: api.get(path)["status"] == "ready", 30, "the site was not visited")
        wait_until(lambda: api.get("/api/documents")[0]["status"] == "completed", 60, "the page was not read")
        api.post("/api/knowledge/sites", body, expect=409)
        assert (made["status"], api.get(path)["last_visit"]["added"]) == ("waiting", 1)
        assert [site["id"] for site in api.get("/api/knowledge/sites")] == [made["id"]]
        assert api.get("/api/documents")[0]["url"] == f"{shop.url}/"
        shop.asked.clear()
        api.post(f"{path}/visit", {})
        wait_until(lambda: ("/", 304) in shop.asked, 30, "the site was not visited again")

        house.api(house.boris).request("GET", path, expect=404)
        house.api(house.boris).request("POST", f"{path}/visit", json={}, expect=404)
        wait_until(lambda: api.get(path)["status"] == "ready", 30, "the visit did not end")
        api.delete(path)
        assert api.get("/api/documents") == []


def test_an_address_that_leads_inside_is_refused_with_a_reason(house: House) -> None:
    api, assistant = house.api(house.anna), house.assistant()

    for url in ("http://127.0.0.1/", "http://169.254.169.254/", "file:///etc/passwd", "http://2130706433/", "x"):
        body = {"assistant_id": assistant["id"], "url": url}
        error = api.request("POST", "/api/knowledge/sites", json=body, expect=422).json()["error"]
        assert (error["code"], error["details"]["field"]) == ("VALIDATION_ERROR", "url")


def test_prepared_answers_go_out_and_come_back_as_files(house: House) -> None:
    api = house.api(house.anna)
    one, two = house.assistant()["id"], house.assistant(name="Второй")["id"]
    content = "question,answer,tags\nГде вы?,В Казани,место\nКогда?,Завтра,\n"

    done = api.post("/api/qa-knowledge/import", {"assistant_id": one, "format": "csv", "content": content})
    csv = api.request("GET", f"/api/qa-knowledge/export?assistant_id={one}&format=csv")
    as_json = api.request("GET", f"/api/qa-knowledge/export?assistant_id={one}&format=json")
    again = api.post("/api/qa-knowledge/import", {"assistant_id": two, "format": "json", "content": as_json.text})

    assert done == {"added": 2, "changed": 0, "unchanged": 0} == again
    assert csv.content.decode("utf-8-sig").splitlines() == content.splitlines()
    assert csv.headers["content-disposition"] == 'attachment; filename="answers.csv"'
    assert json.loads(as_json.text)[0] == {"question": "Где вы?", "answer": "В Казани", "tags": ["место"]}
    assert {pair["answer"] for pair in api.get(f"/api/qa-knowledge?assistant_id={two}")} == {"В Казани", "Завтра"}
    bad = {"assistant_id": one, "format": "csv", "content": "question,answer\nГде?,\n?,b\n"}
    error = api.request("POST", "/api/qa-knowledge/import", json=bad, expect=422).json()["error"]
    assert [row["field"] for row in error["details"]["errors"]] == ["2.answer", "3.question"]
    house.api(house.boris).request("GET", f"/api/qa-knowledge/export?assistant_id={one}", expect=404)


def test_a_file_is_handed_back_to_its_owner_and_only_a_pdf_is_shown(house: House) -> None:
    api, data = house.api(house.anna), {"assistant_id": str(house.assistant()["id"])}
    page = b"<html><script>alert(1)</script><p>words</p></html>"
    for name, content, kind, how in (
        ("прайс.pdf", pdf([["Hello"]]), "application/pdf", "inline"),
        ("a.html", page, "application/octet-stream", "attachment"),
    ):
        sent = api.request(
            "POST", "/api/documents/upload", data=data, files={"file": (name, content)}, expect=201
        ).json()
        path = f"/api/documents/{sent['id']}/file"
        answer = api.request("GET", path)

        assert (answer.content, answer.headers["content-type"]) == (content, kind)
        assert answer.headers["content-disposition"].startswith(how)
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        house.api(house.boris).request("GET", path, expect=404)


def test_a_newer_version_names_the_document_that_it_replaces(house: House) -> None:
    api, assistant = house.api(house.anna), house.assistant()
    theirs = house.assistant(house.boris)
    data = {"assistant_id": str(assistant["id"])}
    sent = api.request("POST", "/api/documents/upload", data=data, files={"file": ("a.txt", b"one")}, expect=201).json()
    newer = {**data, "replaces": str(sent["id"])}

    made = api.request("POST", "/api/documents/upload", data=newer, files={"file": ("a.txt", b"two")}, expect=201)

    assert made.json()["replaces"] == sent["id"]
    theft = {"assistant_id": str(theirs["id"]), "replaces": str(sent["id"])}
    boris = house.api(house.boris)
    boris.request("POST", "/api/documents/upload", data=theft, files={"file": ("a.txt", b"x")}, expect=404)
