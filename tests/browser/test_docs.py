"""The page of the API's description, in a browser."""

from __future__ import annotations

from tests.browser.appliance import Appliance
from tests.browser.conftest import Browse
from tests.browser.test_accessibility import problems


def test_every_operation_is_there_and_can_be_tried(appliance: Appliance, browse: Browse) -> None:
    browser = browse()
    with appliance.api() as api:
        token = api.client.headers["Authorization"].removeprefix("Bearer ")
        shape = api.get("/openapi.json")

    browser.goto(f"{appliance.url}/docs")
    browser.find("#users_show_me summary")
    operations = sum(len(methods) for methods in shape["paths"].values())
    assert len(browser.all("main details")) == operations
    browser.fill("#token", token)
    browser.click("#users_show_me summary")
    browser.click("#users_show_me button")
    browser.wait_for_text(appliance.email, "#users_show_me form pre")
    browser.click("#dialogs_list_all summary")
    browser.fill("#dialogs_list_all input[name=limit]", "0")
    browser.click("#dialogs_list_all button")
    browser.wait_for_text("VALIDATION_ERROR", "#dialogs_list_all form pre")
    browser.click("#assistants_create summary")

    assert "Мой ассистент" in browser.js("return document.querySelector('#assistants_create textarea').value")
    assert {request.split("/")[2] for request in browser.requests()} == {appliance.url.split("/")[2]}
    assert [line for line in browser.complaints() if "422" not in line] == []
    assert problems(browser) == []
