"""A customer talks in the widget of a running appliance, on a desktop and on a phone."""

from __future__ import annotations

from pathlib import Path

from tests.browser.appliance import OPENING_HOURS, Appliance
from tests.browser.chromium import Browser
from tests.browser.conftest import Browse
from tests.browser.widget import WATCH_STREAMING, Widget
from tests.support.http import Json

_QUESTION = "Какие версии Debian существуют?"
_HOURS = "Когда открыт склад в Твери?"
_UNKNOWN = "Какая завтра погода в Рио-де-Жанейро?"


def test_a_question_is_answered_while_one_watches_with_its_source_and_page(
    appliance: Appliance, scholar: Json, browser: Browser, widget: Widget
) -> None:
    browser.goto(appliance.demo(scholar))
    widget.element("textarea")
    browser.js(WATCH_STREAMING)

    answer = widget.ask(_QUESTION)

    lengths = browser.js("return window.lengths")
    assert lengths[0] < len(answer.text), "the answer was not seen growing"
    assert lengths == sorted(lengths)
    assert "существует три версии Debian" in answer.text
    assert answer.sources[0].startswith("debian-faq.ru.pdf · с. ")
    assert any("существует три версии Debian" in quote for quote in answer.quotes)
    assert "ответ дословно из документов, без модели" in answer.meta
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints() == []


def test_a_returning_visitor_finds_the_conversation(
    appliance: Appliance, scholar: Json, browser: Browser, widget: Widget
) -> None:
    browser.goto(appliance.demo(scholar))
    widget.ask(_QUESTION)
    said = widget.messages

    browser.reload()

    browser.wait(lambda: widget.messages == said, "the same conversation")


def test_an_unknown_answer_offers_a_person_who_then_answers(
    appliance: Appliance, scholar: Json, browser: Browser, widget: Widget
) -> None:
    browser.goto(appliance.demo(scholar))
    answer = widget.ask(_UNKNOWN)
    assert "нет ответа" in answer.text
    assert answer.sources == []

    widget.element(".m:last-child .call").click()
    widget.wait_for("Зовём оператора. Вы в очереди: ", ".bar")
    browser.reload()
    widget.wait_for("Зовём оператора", ".bar")

    with appliance.api() as api:
        dialog = f"/api/dialogs/{api.get('/api/dialogs?limit=1')['dialogs'][0]['id']}"
        api.post(f"{dialog}/handoff/take", {"operator_name": "Анна"})
        widget.wait_for("Вам отвечает Анна", ".bar")
        api.post(f"{dialog}/messages", {"text": "Здравствуйте, это Анна.", "operator_name": "Анна"}, expect=201)
        browser.wait(lambda: widget.of("operator")[-1:], "the operator's words")
        assert widget.of("operator")[-1].text == "Здравствуйте, это Анна."
        assert widget.of("operator")[-1].name == "Анна"
        api.post(f"{dialog}/handoff/release")
        widget.wait_for("Вам снова отвечает ассистент", ".note")


def test_what_is_written_while_the_server_is_dead_arrives_once_and_is_answered(
    own_appliance: Appliance, browser: Browser, widget: Widget, tmp_path: Path
) -> None:
    assistant = own_appliance.make_assistant()
    own_appliance.teach_hours(assistant, tmp_path)
    browser.goto(own_appliance.demo(assistant))
    widget.ask(_HOURS)

    own_appliance.kill()
    widget.say("А в субботу склад в Твери открыт?")
    widget.wait_for("Нет связи", ".bar")
    widget.wait_for("Отправляем", ".user .meta")
    own_appliance.start()

    browser.wait(lambda: len(widget.of("assistant")) == 2, "the second answer", 60)
    browser.wait(lambda: not widget.texts(".bar"), "the notice of the lost connection is gone")
    asked = widget.of("user")
    assert [message.text for message in asked] == [_HOURS, "А в субботу склад в Твери открыт?"]
    assert all(message.is_stored for message in asked)
    with own_appliance.api() as api:
        dialog_id = api.get("/api/dialogs?limit=1")["dialogs"][0]["id"]
        stored = api.get(f"/api/dialogs/{dialog_id}/messages")["messages"]
    assert [message["sender"] for message in stored] == ["user", "assistant"] * 2
    assert "до трёх часов" in stored[-1]["text"]


def test_an_unsent_message_outlives_the_page(own_appliance: Appliance, browse: Browse, tmp_path: Path) -> None:
    assistant = own_appliance.make_assistant()
    own_appliance.teach_hours(assistant, tmp_path)
    browser = browse()
    widget = Widget(browser)
    browser.goto(own_appliance.demo(assistant))
    widget.ask(_HOURS)
    own_appliance.kill()
    widget.say("А по будням склад в Твери открыт?")
    widget.wait_for("Отправляем", ".user .meta")

    browser.goto("about:blank")
    own_appliance.start()
    browser.goto(own_appliance.demo(assistant))

    browser.wait(lambda: len(widget.of("assistant")) == 2, "the second answer", 60)
    assert [message.text for message in widget.of("user")] == [_HOURS, "А по будням склад в Твери открыт?"]


def test_networks_without_sockets_are_served_by_polling(appliance: Appliance, browse: Browse, tmp_path: Path) -> None:
    assistant = appliance.make_assistant()
    appliance.teach_hours(assistant, tmp_path)
    browser = browse()
    browser.before_each_page("""
        window.WebSocket = class {
          static OPEN = 1;
          constructor() { setTimeout(() => this.onclose({code: 1006}), 20); }
        };
    """)
    widget = Widget(browser)
    browser.goto(appliance.demo(assistant))

    answer = widget.ask(_HOURS, seconds=30)

    assert answer.text.removesuffix(" [1]") in OPENING_HOURS
    assert [message.is_stored for message in widget.messages] == [True, True]


def test_the_keyboard_is_enough(appliance: Appliance, scholar: Json, browse: Browse) -> None:
    browser = browse()
    widget = Widget(browser)
    browser.goto(appliance.demo(scholar))
    widget.element("textarea").send_keys("первая строка")

    active = "return shadow.activeElement?.className + ' ' + shadow.activeElement?.tagName"
    assert widget.js(active) == " TEXTAREA"
    widget.element("dialog").send_keys("\ue00c")
    browser.wait(lambda: widget.js(active) == "round launch BUTTON", "focus on the button after Escape")
    assert widget.js("return shadow.querySelector('dialog').open") is False
    widget.element(".launch").send_keys("\ue007")
    browser.wait(lambda: widget.js(active) == " TEXTAREA", "focus in the field after opening")
    assert widget.js("return shadow.querySelector('textarea').value") == "первая строка"
