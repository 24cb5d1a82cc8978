"""The demo page of an appliance that has something to show, and of one that has not."""

from __future__ import annotations

from tests.browser.appliance import Appliance
from tests.browser.conftest import Browse
from tests.browser.widget import Widget
from tests.support.http import Json


def test_the_demo_shows_the_line_that_embeds_its_chat(appliance: Appliance, scholar: Json, browse: Browse) -> None:
    browser = browse()
    browser.goto(appliance.demo(scholar))

    browser.wait_for_text(scholar["site_token"], "#line")

    assert browser.text("#line") == (
        f'<script src="{appliance.url}/widget.js" data-site-token="{scholar["site_token"]}" async></script>'
    )
    assert "Знаток Debian" in browser.text("#fact")
    assert Widget(browser).texts("h2") == ["Знаток Debian"]
    assert browser.complaints() == []


def test_an_english_browser_reads_english(appliance: Appliance, scholar: Json, browse: Browse) -> None:
    browser = browse(language="en")
    browser.goto(appliance.demo(scholar))

    browser.wait_for_text("A workplace that is ready before you are", "h1")

    assert browser.js("return document.documentElement.lang") == "en"
    assert Widget(browser).element("textarea").get_attribute("placeholder") == "Your question…"


def test_an_empty_appliance_says_what_to_do_next(own_appliance: Appliance, browse: Browse) -> None:
    with own_appliance.api() as api:
        for assistant in api.get("/api/assistants"):
            api.delete(f"/api/assistants/{assistant['id']}")
    browser = browse()
    browser.goto(f"{own_appliance.url}/demo")

    browser.wait_for_text("Создайте ассистента и включите для него чат на сайте", "#empty")

    browser.click("#empty a.primary")
    browser.wait_for_text("Вход в консоль", "h1")
