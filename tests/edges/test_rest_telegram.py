"""What the API tells and takes of Telegram: links of operators' accounts, the group of an assistant, deliveries."""

from __future__ import annotations

from replyx.types import SYSTEM, Channel, Contact
from tests.support.house import House


def test_an_operator_links_a_telegram_account_by_a_code_and_takes_the_link_away(house: House) -> None:
    olga, app = house.operator(), house.app
    api = house.api(olga)
    made = api.post("/api/users/me/telegram", expect=201)
    assert made["minutes"] == 15
    assert app.telegram_links.redeem(made["code"], 77, "Ольга", house.boris.id) is None
    assert app.telegram_links.redeem(made["code"], 77, "Ольга", house.anna.id) is not None
    assert app.telegram_links.actor_of(77, house.anna.id) is not None
    api.delete("/api/users/me/telegram")
    assert app.telegram_links.actor_of(77, house.anna.id) is None


def test_an_assistant_takes_a_group_and_refuses_what_is_none(house: House) -> None:
    api, made = house.api(house.anna), house.assistant()
    path = f"/api/assistants/{made['id']}"
    assert api.put(path, {"telegram_group_id": -1001234567890})["telegram_group_id"] == -1001234567890
    assert api.put(path, {"telegram_group_id": None})["telegram_group_id"] is None
    for wrong in (5, 0, -(2**53)):
        error = api.request("PUT", path, expect=422, json={"telegram_group_id": wrong}).json()["error"]
        assert error["details"]["field"] == "telegram_group_id"


def test_messages_tell_how_far_they_are_on_their_way_to_telegram(house: House) -> None:
    app, made = house.app, house.assistant()
    contact = Contact(telegram_chat_id="42", locale="ru")
    dialog = app.sessions.start(app.assistants.get(SYSTEM, made["id"]), Channel.TELEGRAM, contact)
    api = house.api(house.anna)
    api.post(f"/api/dialogs/{dialog}/messages", {"text": "Здравствуйте"}, expect=201)
    parcel = app.deliveries.claim(dialog)
    assert parcel is not None
    assert app.deliveries.in_doubt(parcel, "server error: Bad Gateway")
    again = app.deliveries.claim(dialog)
    assert again is not None
    app.deliveries.failed(again, "Forbidden: bot was blocked by the user", is_blocked=True)
    (message,) = api.get(f"/api/dialogs/{dialog}/messages")["messages"]
    assert message["delivery"] == {
        "state": "failed",
        "error": "Forbidden: bot was blocked by the user",
        "in_doubt": True,
    }
    events = api.get(f"/api/dialogs/{dialog}/events")["events"]
    assert [event["type"] for event in events] == ["new_message", "delivery_changed"]
