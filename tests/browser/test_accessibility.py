"""What people with a keyboard, a screen reader or weak eyes need of the pages, as far as axe can see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.appliance import Appliance
from tests.browser.chromium import Browser
from tests.browser.conftest import Browse
from tests.browser.desk import Desk
from tests.browser.node import node_modules
from tests.browser.widget import Widget
from tests.support.http import Json

_RUN = """
    const done = arguments[arguments.length - 1];
    axe.run(document, {resultTypes: ['violations']}).then(({violations}) => done(violations.map((found) => [
      found.impact, found.id, found.nodes.map((node) => node.html.slice(0, 160) + ' ' + node.failureSummary),
    ])));
"""


def problems(browser: Browser) -> list[Any]:
    """What axe finds on the page that is open, the widget's inside included."""
    browser.js((node_modules() / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    # Colours are measured as they are, not while they fade in.
    browser.wait(
        lambda: browser.js("return document.getAnimations().every((one) => one.playState === 'finished')"), "rest"
    )
    return list(browser.driver.execute_async_script(_RUN))


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360], ids=["desktop", "phone"])
def test_the_demo_and_its_chat_have_no_barriers(
    appliance: Appliance, scholar: Json, browse: Browse, width: int, is_dark: bool
) -> None:
    browser = browse(width=width, is_dark=is_dark)
    widget = Widget(browser)
    browser.goto(appliance.demo(scholar))
    widget.ask("Какие версии Debian существуют?")
    widget.element(".src summary").click()
    widget.ask("Какая завтра погода в Рио-де-Жанейро?")

    assert problems(browser) == []
    widget.element(".head button").click()
    assert problems(browser) == []


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_the_console_has_no_barriers(
    appliance: Appliance, scholar: Json, browse: Browse, is_dark: bool, tmp_path: Path
) -> None:
    browser = browse(is_dark=is_dark)
    browser.goto(appliance.demo(scholar))
    Widget(browser).ask("Какие версии Debian существуют?")
    desk = Desk(browser, appliance)
    desk.log_in("wrong-password")
    browser.find(".notice")
    assert problems(browser) == []
    desk.log_in()
    found = {}
    for page in ("knowledge", "check", "site", "dialogs", "settings"):
        desk.open(scholar, page)
        if page == "knowledge":
            browser.find(".state.good")
        if page == "check":
            desk.search("Какие версии Debian существуют?")
            browser.find(".passages")
        if page == "dialogs":
            browser.click(".links button")
            browser.find(".message")
        found[page] = problems(browser)

    assert found == {page: [] for page in found}
