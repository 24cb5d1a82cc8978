"""Files that customers sent, as the desk has them: beside their messages, in a list, and whole; never a stranger's."""

from __future__ import annotations

import io

import pytest

from replyx.types import SYSTEM, Channel, Contact, InboundMessage
from tests.support.house import SITE, House

PAGE = b"<script>alert(1)</script>"


@pytest.fixture
def sent(house: House) -> tuple[int, int]:
    """A dialog of Anna's in Telegram with a page as a file; the ids of both."""
    app, made = house.app, house.assistant()
    contact = Contact(telegram_chat_id="42", locale="ru")
    dialog = app.sessions.start(app.assistants.get(SYSTEM, made["id"]), Channel.TELEGRAM, contact)
    app.inbox.receive(InboundMessage(Channel.TELEGRAM, dialog, "Первое", "m1", expects_answer=False))
    seq = app.inbox.receive(InboundMessage(Channel.TELEGRAM, dialog, "[Файл]", "m2", expects_answer=False)).message.seq
    kept = app.attachments.add(dialog, seq, "document", 'a/../"счёт"\r\n.html', io.BytesIO(PAGE))
    return dialog, kept.id


def test_a_message_tells_its_files_and_the_list_tells_all(house: House, sent: tuple[int, int]) -> None:
    dialog, attachment = sent
    api = house.api(house.operator())

    first, second = api.get(f"/api/dialogs/{dialog}/messages")["messages"]

    assert "attachments" not in first
    about = {"id": attachment, "kind": "document", "filename": '"счёт".html', "content_type": "text/html", "size": 25}
    assert second["attachments"] == [about]
    answer = api.request("GET", f"/api/dialogs/{dialog}/attachments?limit=1")
    (row,) = answer.json()
    assert {key: row[key] for key in about} == about
    assert (row["dialog_id"], row["seq"], answer.headers["x-total-count"]) == (dialog, second["seq"], "1")
    assert api.get(f"/api/dialogs/{dialog}/attachments?offset=1") == []
    assert api.get(f"/api/dialogs/{dialog}/export")["messages"][1]["attachments"] == [about]


def test_a_file_comes_as_it_was_sent_and_never_as_a_page(house: House, sent: tuple[int, int]) -> None:
    answer = house.api(house.anna).request("GET", f"/api/attachments/{sent[1]}/file")

    assert answer.content == PAGE
    headers = answer.headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment;")
    assert "%22%D1%81%D1%87%D1%91%D1%82%22.html" in headers["content-disposition"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["cache-control"] == "private, no-store"


def test_it_is_nobodys_else_and_goes_with_its_dialog(house: House, sent: tuple[int, int]) -> None:
    dialog, attachment = sent
    path = f"/api/attachments/{attachment}/file"
    for stranger in (house.boris, house.admin):
        house.api(stranger).request("GET", path, expect=404)
        house.api(stranger).request("GET", f"/api/dialogs/{dialog}/attachments", expect=404)
    house.api().request("GET", path, expect=401)
    session = house.session(house.assistant(), SITE)
    house.visitor(session).request("GET", path, expect=401)
    for wrong in (0, attachment + 1, 2**63 - 1):
        house.api(house.anna).request("GET", f"/api/attachments/{wrong}/file", expect=404)

    house.api(house.anna).delete(f"/api/dialogs/{dialog}")

    house.api(house.anna).request("GET", path, expect=404)
