"""An administrator sets an assistant up in the console of a running appliance."""

from __future__ import annotations

from pathlib import Path

from tests.browser.appliance import OPENING_HOURS, Appliance
from tests.browser.chromium import Browser
from tests.browser.conftest import Browse
from tests.browser.desk import Desk
from tests.browser.widget import Widget
from tests.support.http import Api

_HOURS = "Когда открыт склад в Твери?"


def test_from_the_password_to_an_answered_customer(appliance: Appliance, browser: Browser, tmp_path: Path) -> None:
    hours = tmp_path / "hours.md"
    hours.write_text(f"# Часы работы\n\n{OPENING_HOURS}\n", encoding="utf-8")
    desk = Desk(browser, appliance)
    desk.log_in()

    browser.click("a[href='#/new']")
    browser.fill("[name=name]", "Тверь")
    browser.click("form [type=submit]")
    browser.wait_for_text("Тверь", "h1")
    browser.wait_for_text("Документов пока нет", "main")

    browser.find("#files").send_keys(str(hours))
    browser.wait_for_text("hours.md", "main")
    browser.wait_for_text("Готов", ".state", 60)

    browser.click(".tabs a:nth-child(2)")
    desk.search(_HOURS)
    browser.wait_for_text("Ассистент ответит", ".found")
    assert OPENING_HOURS in browser.text(".passages")

    browser.click(".tabs a:nth-child(3)")
    line = browser.find(".code code").text
    assert line.startswith(f'<script src="{appliance.url}/widget.js" data-site-token="st_')
    browser.goto(str(browser.find("main a.button").get_attribute("href")))
    assert Widget(browser).ask(_HOURS).text.removesuffix(" [1]") in OPENING_HOURS

    browser.goto(f"{appliance.url}/")
    browser.click(".side li:last-child a")
    browser.wait_for_text("Тверь", "h1")
    browser.click(".tabs a:nth-child(4)")
    browser.click(".links button")
    browser.wait_for_text(_HOURS, ".reader")
    browser.wait_for_text("дословно из документов", ".reader")
    assert "₽" in browser.text(".balance")
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints() == []


def test_what_the_server_refuses_is_shown_where_it_belongs(
    appliance: Appliance, browse: Browse, tmp_path: Path
) -> None:
    browser = browse()
    desk = Desk(browser, appliance)
    desk.log_in("wrong-password")
    browser.wait_for_text("Неверный", ".notice")
    desk.log_in()

    browser.click("a[href='#/new']")
    browser.fill("[name=name]", "Пробный")
    browser.fill("[name=ai_model]", "no-such-model")
    browser.click("form [type=submit]")
    browser.wait_for_text("extractive", ".issue:not(:empty)")
    assert browser.find("[name=ai_model]").get_attribute("aria-invalid") == "true"

    assistant = appliance.make_assistant("Отказы")
    browser.reload()
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 and nothing of what should follow")
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    browser.find(".side li")
    desk.open(assistant, "knowledge")
    browser.find("#files").send_keys(f"{broken}\n{picture}")
    browser.wait_for_text("picture.png", "main")
    browser.wait_for_text("Не загружен", "main")
    browser.wait_for_text("Не прочитан", "main", 60)
    assert all(len(issue.text) > 20 for issue in browser.all(".rows .issue"))


def test_a_token_whose_life_is_half_over_is_replaced_while_somebody_works(appliance: Appliance, browse: Browse) -> None:
    assistant = appliance.make_assistant("Долгая смена")
    browser = browse()
    desk = Desk(browser, appliance)
    desk.log_in()
    desk.open(assistant, "site")
    first = _token(browser)

    _age(browser)
    desk.open(assistant, "dialogs")
    browser.wait_for_text("Диалогов пока нет", "main")
    browser.wait_for_text("₽", ".balance")

    fresh = _token(browser)
    assert fresh != first
    calls = "return performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/refresh')).length"
    assert browser.js(calls) == 1
    desk.open(assistant, "site")
    assert _token(browser) == fresh

    _age(browser)
    with Api(appliance.url, fresh) as api:
        api.post("/api/auth/logout")
    browser.click(f".tabs a[href='#/{assistant['id']}/dialogs']")
    browser.wait_for_text("Сеанс закончился", ".notice")


def _token(browser: Browser) -> str:
    return str(browser.js("return sessionStorage.getItem('replyx-console-token')"))


def _age(browser: Browser) -> None:
    """As if half a day had passed since the token came."""
    ages_at = int(browser.js("return sessionStorage.getItem('replyx-console-token-ages-at')"))
    assert ages_at > int(browser.js("return Date.now()"))
    browser.js("sessionStorage.setItem('replyx-console-token-ages-at', arguments[0])", ages_at - 12 * 3_600_000)


def test_what_was_made_can_be_changed_and_deleted(appliance: Appliance, browse: Browse, tmp_path: Path) -> None:
    assistant = appliance.make_assistant("Черновик")
    appliance.teach_hours(assistant, tmp_path)
    browser = browse(language="en")
    desk = Desk(browser, appliance)
    desk.log_in()

    desk.open(assistant, "knowledge")
    browser.fill("[name=question]", "What is the phone number?")
    browser.fill("[name=answer]", "8 800 000-00-00")
    browser.click("form [type=submit]")
    browser.wait_for_text("8 800 000-00-00", ".rows + form, main")
    _delete(browser, "hours.md")
    _delete(browser, "What is the phone number?")

    desk.open(assistant, "settings")
    browser.fill("[name=name]", "Finished")
    browser.fill("[name=allowed_domains]", "shop.example\n*.shop.example")
    browser.click("form [type=submit]")
    browser.wait_for_text("Saved", ".done")
    assert browser.text("h1") == "Finished"
    desk.open(assistant, "site")
    browser.wait_for_text("shop.example, *.shop.example", "main")

    desk.open(assistant, "settings")
    browser.click("main .danger")
    browser.click("main .danger")
    browser.wait(lambda: "Finished" not in browser.text(), "the assistant is gone")
    with appliance.api() as api:
        assert assistant["id"] not in [row["id"] for row in api.get("/api/assistants")]


def test_a_session_that_ended_elsewhere_asks_to_log_in_again(appliance: Appliance, browse: Browse) -> None:
    browser = browse()
    # On a page of the same site that is not the console: nothing there asks with the token before the console does.
    browser.goto(f"{appliance.url}/healthz")
    browser.js("sessionStorage.setItem('replyx-console-token', 'outdated')")

    browser.goto(f"{appliance.url}/")

    browser.wait_for_text("Сеанс закончился", ".notice")
    Desk(browser, appliance).log_in()


def _delete(browser: Browser, name: str) -> None:
    """Press its button, and again when it asks whether that is meant."""
    browser.click(f".danger[aria-label='Delete: {name}']")
    browser.find(".danger:focus").click()
    browser.wait(lambda: name not in browser.text("main"), f"{name} is gone")


def test_an_operator_sees_the_dialogs_and_asks_for_nothing_else(appliance: Appliance, browse: Browse) -> None:
    appliance.add_operator("olga@example.com", "long-enough-7x")
    # A dialog to be seen.
    assistant = appliance.make_assistant("Для оператора")
    visitor = browse()
    visitor.goto(appliance.demo(assistant))
    Widget(visitor).ask("Здравствуйте")
    browser = browse()
    Desk(browser, appliance).log_in("long-enough-7x", "olga@example.com")

    browser.wait_for_text("Диалоги", "h1")
    browser.wait(lambda: browser.find(".desk .list button"), "the list")

    script = "return performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)"
    asked = {path for path in browser.js(script) if path.startswith("/api/")}
    assert asked <= {"/api/auth/login", "/api/users/me", "/api/dialogs"}
    assert browser.complaints() == []
