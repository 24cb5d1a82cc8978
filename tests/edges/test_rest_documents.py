"""Uploading over HTTP: what is taken, and what is refused before it has been read."""

from __future__ import annotations

import io
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.edges.conftest import Build
from tests.support.house import House
from tests.support.programs import wait_until

_TEXT = "# Возврат\n\nТовар можно вернуть в течение 14 дней после покупки, если сохранился чек.\n"


@pytest.fixture
def note(tmp_path: Path) -> Path:
    file = tmp_path / "возврат.md"
    file.write_text(_TEXT, encoding="utf-8")
    return file


def test_a_document_is_uploaded_read_listed_searched_and_deleted(both: House, note: Path) -> None:
    assistant = both.assistant()
    api = both.api(both.anna)

    sent = api.upload(assistant["id"], note)
    path = f"/api/documents/{sent['id']}"
    wait_until(lambda: api.get(path)["status"] != "processing", 60, "the document was not read")
    done = api.get(path)
    listed = api.request("GET", f"/api/documents?assistant_id={assistant['id']}")
    found = api.get(f"/api/knowledge/search?assistant_id={assistant['id']}&q=За сколько дней вернуть товар?")

    assert (sent["filename"], sent["status"], sent["size"]) == ("возврат.md", "processing", len(_TEXT.encode()))
    assert (done["status"], done["chunks_count"], done["error"]) == ("completed", 1, None)
    assert listed.json() == [done]
    assert listed.headers["X-Total-Count"] == "1"
    assert found["results"][0]["document_id"] == sent["id"]
    assert set(found["results"][0]) == {"text", "score", "document_id", "filename", "page", "heading", "qa_id"}
    assert found["answerable"] is True
    assert api.put(path, {"filename": "/a/b/правила\u202e.md"}) == {**done, "filename": "правила.md"}
    again = api.get(f"/api/knowledge/search?assistant_id={assistant['id']}&q=За сколько дней вернуть товар?")
    assert again["results"][0]["filename"] == "правила.md"
    both.api(both.boris).request("GET", path, expect=404)
    both.api(both.boris).request("DELETE", path, expect=404)
    api.delete(path)
    assert api.get("/api/documents") == []


def test_forms_that_are_not_exactly_right_are_refused(house: House, note: Path) -> None:
    api = house.api(house.anna)
    assistant_id = str(house.assistant()["id"])
    file = {"file": ("a.md", _TEXT.encode())}
    for form, status, field in (
        ({"data": {"assistant_id": assistant_id}, "files": {"other": ("a.md", b"x")}}, 422, "other"),
        ({"files": file}, 422, "assistant_id"),
        ({"data": {"assistant_id": "one"}, "files": file}, 422, "assistant_id"),
        ({"data": {"assistant_id": "0"}, "files": file}, 422, "assistant_id"),
        ({"data": {"assistant_id": assistant_id, "status": "completed"}, "files": file}, 422, "status"),
        ({"data": {"assistant_id": assistant_id, "file": "/etc/passwd"}, "files": {"x": ("a", b"x")}}, 422, "x"),
        ({"data": {"assistant_id": assistant_id}, "files": [("file", ("a.md", b"x"))] * 2}, 422, "file"),
        ({"data": {"assistant_id": "999999"}, "files": file}, 404, None),
        ({"data": {"assistant_id": assistant_id}, "files": {"file": ("a.md", b"")}}, 422, "file"),
        ({"data": {"assistant_id": assistant_id}, "files": {"file": ("a.exe", b"MZ\x00\x01" * 50)}}, 415, None),
        ({"json": {"file": {"filepath": "/etc/passwd"}, "assistant_id": assistant_id}}, 400, None),
        ({"data": {"assistant_id": assistant_id, "file": "x"}}, 400, None),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, None),
        ({"content": b"--c\r\nx", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400, None),
        ({"content": b"--b\r\nx", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422, "file"),
    ):
        answer = api.request("POST", "/api/documents/upload", expect=status, **form)
        assert answer.json()["error"]["details"].get("field") == field, form
    assert api.get("/api/documents") == []


def test_a_file_over_the_limit_is_refused_before_the_rest_of_it_comes(build: Build) -> None:
    house = build(REPLYX_KNOWLEDGE__MAX_FILE_BYTES="100000")
    assistant = house.assistant()
    parts = urlsplit(house.url)
    head = (
        f"POST /api/documents/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token(house.anna)}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n"
    ).encode()
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
        raw.sendall(head + b"Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")

    big = io.BytesIO(b"x" * 300_000)
    answer = house.api(house.anna).request(
        "POST",
        "/api/documents/upload",
        expect=413,
        data={"assistant_id": str(assistant["id"])},
        files={"file": ("big.txt", big)},
    )
    assert answer.json()["error"]["code"] == "FILE_TOO_LARGE"
    slightly = {"file": ("big.txt", io.BytesIO(b"x" * 110_000))}
    data = {"assistant_id": str(assistant["id"])}
    house.api(house.anna).request("POST", "/api/documents/upload", expect=413, data=data, files=slightly)


def test_why_a_document_failed_is_told_in_the_readers_language(both: House, tmp_path: Path) -> None:
    file = tmp_path / "empty.pdf"
    file.write_bytes(b"%PDF-1.4\n%broken\n")
    assistant = both.assistant()
    sent = both.api(both.anna).upload(assistant["id"], file)
    path = f"/api/documents/{sent['id']}"

    wait_until(lambda: both.api(both.anna).get(path)["status"] == "failed", 60, "the document did not fail")

    russian = both.api(both.anna).get(path)["error"]
    english = both.api(both.anna, **{"Accept-Language": "en"}).get(path)["error"]
    assert russian["code"] == english["code"]
    assert russian["message"] != english["message"]


def test_a_tenant_over_its_quota_is_told_which_setting_bounds_it(build: Build, note: Path) -> None:
    house = build(REPLYX_KNOWLEDGE__MAX_DOCUMENTS="1")
    api, assistant = house.api(house.anna), house.assistant()
    api.upload(assistant["id"], note)

    error = api.upload(assistant["id"], note, expect=429)["error"]

    assert (error["code"], error["details"]) == ("UPLOAD_QUOTA_EXCEEDED", {"max_documents": 1})
    assert "knowledge.max_documents" in error["message"]
    house.api(house.boris).upload(house.assistant(house.boris)["id"], note)
