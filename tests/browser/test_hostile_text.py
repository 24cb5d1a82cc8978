"""Whatever customers, documents and models say is shown as text: nothing of it runs, and nothing is fetched for it."""

from __future__ import annotations

from pathlib import Path

from tests.browser.appliance import Appliance
from tests.browser.chromium import Browser
from tests.browser.conftest import Browse
from tests.browser.desk import Desk
from tests.browser.widget import Widget
from tests.support.http import Json

_IMAGE = '<img src=x onerror="window.hacked=1">'
_SCRIPT = "<script>window.hacked=1</script>"
_OTHERS = (
    '[press](javascript:window.hacked=1) ![](https://trap.example/x.png) <svg onload="window.hacked=1"> '
    '<a href="javascript:window.hacked=1">press</a> <iframe srcdoc="<script>parent.hacked=1</script>"></iframe> '
    '"><style>*{background:url(https://trap.example/y.png)}</style> {{7*7}} ${window.hacked=1} \u202egnp.exe'
)
_ANSWER = f"{_IMAGE} {_SCRIPT} {_OTHERS}"

#: Elements that only markup in a text could have made.
_MADE = """
    const kinds = 'img:not([src^="/static/"]), script, iframe, style, a[href^=javascript]';
    return arguments[0].querySelectorAll(kinds).length;
"""


def test_the_widget_shows_hostile_text_as_text(
    appliance: Appliance, browser: Browser, widget: Widget, tmp_path: Path
) -> None:
    assistant = _hostile_assistant(appliance, tmp_path)
    browser.goto(appliance.demo(assistant))
    browser.requests()

    prepared = widget.ask(f"Готовый вопрос {_IMAGE}")
    assert prepared.text == _ANSWER
    assert prepared.quotes == [f"Готовый вопрос {_IMAGE}"]
    quoted = widget.ask("Что написано про зелёный чайник?")
    assert _IMAGE in quoted.text
    assert quoted.sources[0].startswith(_IMAGE.replace('"', ""))
    with appliance.api() as api:
        dialog = f"/api/dialogs/{api.get('/api/dialogs?limit=1')['dialogs'][0]['id']}"
        api.post(f"{dialog}/handoff/take", {"operator_name": _IMAGE})
        api.post(f"{dialog}/messages", {"text": _ANSWER, "operator_name": _IMAGE}, expect=201)
    browser.wait(lambda: _ANSWER in [message.text for message in widget.of("operator")], "the operator's words")
    for summary in widget.js("return [...shadow.querySelectorAll('summary')]"):
        browser.js("arguments[0].click()", summary)

    assert widget.of("operator")[-1].name == _IMAGE
    assert widget.texts("h2") == [_SCRIPT]
    _assert_nothing_ran(browser, browser.js("return document.querySelector('replyx-widget').shadowRoot"), appliance)


def test_the_console_shows_hostile_text_as_text(appliance: Appliance, browse: Browse, tmp_path: Path) -> None:
    assistant = _hostile_assistant(appliance, tmp_path)
    browser = browse()
    browser.goto(appliance.demo(assistant))
    Widget(browser).ask(f"Готовый вопрос {_IMAGE}")
    desk = Desk(browser, appliance)
    desk.log_in()
    browser.requests()

    desk.open(assistant, "knowledge")
    browser.wait_for_text(_IMAGE.replace('"', ""), "main")
    browser.wait_for_text(f"Готовый вопрос {_IMAGE}", "main")
    assert browser.text("h1") == _SCRIPT
    desk.open(assistant, "check")
    desk.search("Что написано про зелёный чайник?")
    browser.wait_for_text(_SCRIPT, ".passages")
    desk.open(assistant, "dialogs")
    browser.click(".links button")
    browser.wait_for_text(_IMAGE, ".reader")
    browser.click(".reader summary")
    desk.open(assistant, "settings")

    _assert_nothing_ran(browser, browser.js("return document.body"), appliance)


def _hostile_assistant(appliance: Appliance, folder: Path) -> Json:
    assistant = appliance.make_assistant(_SCRIPT, welcome_text=_IMAGE)
    file = folder / "kettle.txt"
    file.write_text(f"Про зелёный чайник написано так: {_IMAGE} и ещё {_SCRIPT}.\n", encoding="utf-8")
    appliance.teach(assistant, file, f"{_IMAGE.replace(chr(34), '')}.txt")
    with appliance.api() as api:
        pair = {"assistant_id": assistant["id"], "question": f"Готовый вопрос {_IMAGE}", "answer": _ANSWER}
        api.post("/api/qa-knowledge", pair, expect=201)
    return assistant


def _assert_nothing_ran(browser: Browser, place: object, appliance: Appliance) -> None:
    assert browser.js(_MADE, place) == 0
    assert browser.js("return window.hacked ?? null") is None
    assert [row for row in browser.requests() if appliance.url.split("://")[1] not in row] == []
    # A policy that had to hold something back would have complained.
    assert browser.complaints() == []
