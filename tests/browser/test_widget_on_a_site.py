"""The widget on somebody else's website: what it weighs, what it asks for, and where it may be."""

from __future__ import annotations

from pathlib import Path

from replyx.server.web.pages import STATIC
from tests.browser.appliance import OPENING_HOURS, Appliance
from tests.browser.chromium import Browser
from tests.browser.conftest import Browse
from tests.browser.site import Site
from tests.browser.widget import Widget
from tests.support.http import Api

_HOURS = "Когда открыт склад в Твери?"

#: A page that remembers nothing of its visitor.
_STORED = "return [localStorage.length, sessionStorage.length, document.cookie]"


#: The visitor's token.
_KEPT = "return JSON.parse(Object.values(localStorage)[0]).token"


def test_the_widget_weighs_at_most_12_kilobytes_on_the_wire(appliance: Appliance) -> None:
    with Api(appliance.url) as anyone:
        answer = anyone.request("GET", "/widget.js", expect=200, headers={"Accept-Encoding": "gzip"})

        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) <= 12_000
        assert "Accept-Encoding" in answer.headers["vary"]
        assert answer.content == (STATIC / "widget.js").read_bytes()
        known = {"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]}
        assert anyone.client.get("/widget.js", headers=known).status_code == 304


def test_browsers_that_take_no_gzip_get_the_widget_as_it_is(appliance: Appliance) -> None:
    with Api(appliance.url) as anyone:
        for accepted in ("identity", "gzip;q=0, identity", "br"):
            answer = anyone.request("GET", "/widget.js", expect=200, headers={"Accept-Encoding": accepted})
            assert "content-encoding" not in answer.headers
            assert answer.content == (STATIC / "widget.js").read_bytes()


def test_a_page_with_the_widget_fetches_and_stores_nothing_before_it_is_opened(
    appliance: Appliance, site: Site, browse: Browse, tmp_path: Path
) -> None:
    assistant = appliance.make_assistant(allowed_domains=[site.domain])
    appliance.teach_hours(assistant, tmp_path)
    site.embed(appliance.url, assistant["site_token"])
    browser = browse()
    widget = Widget(browser)

    browser.goto(site.url)
    launcher = widget.element(".launch")
    assert _asked(browser, appliance) == ["GET /widget.js"]
    assert browser.js(_STORED) == [0, 0, ""]

    launcher.click()
    assert widget.ask(_HOURS).text.removesuffix(" [1]") in OPENING_HOURS
    session, socket = _asked(browser, appliance)
    assert session == "POST /api/widget/sessions"
    assert socket.startswith("SOCKET /ws/dialogs/")
    assert browser.js(_STORED) == [1, 0, ""]
    assert browser.complaints() == []


def test_another_sites_visitor_talks_and_finds_the_conversation_again(
    appliance: Appliance, site: Site, browser: Browser, widget: Widget, tmp_path: Path
) -> None:
    assistant = appliance.make_assistant("Тверской склад", allowed_domains=[site.domain], welcome_text="Спросите!")
    appliance.teach_hours(assistant, tmp_path)
    site.embed(appliance.url, assistant["site_token"])
    browser.goto(site.url)
    widget.element(".launch").click()
    widget.wait_for("Тверской склад", "h2")
    widget.wait_for("Спросите!", ".m")
    widget.ask(_HOURS)
    said = widget.messages

    browser.reload()
    widget.element(".launch").click()

    browser.wait(lambda: widget.messages == said, "the same conversation")


def test_a_page_that_stays_open_gets_a_newer_token_and_the_conversation_goes_on(
    appliance: Appliance, site: Site, browse: Browse, tmp_path: Path
) -> None:
    assistant = appliance.make_assistant(allowed_domains=[site.domain])
    appliance.teach_hours(assistant, tmp_path)
    site.embed(appliance.url, assistant["site_token"])
    browser = browse()
    widget = Widget(browser)
    browser.goto(site.url)
    widget.element(".launch").click()
    widget.ask(_HOURS)
    kept = browser.js(_KEPT)

    browser.js("const now = Date.now; Date.now = () => now() + 7 * 3600_000")

    browser.wait(lambda: browser.js(_KEPT) != kept, "a newer token")
    widget.ask(_HOURS)
    assert len(widget.of("user")) == 2
    with appliance.api() as api:
        assert api.get(f"/api/dialogs?assistant_id={assistant['id']}")["total"] == 1
    assert browser.complaints() == []


def test_a_site_that_is_not_allowed_is_told_so_in_words(appliance: Appliance, site: Site, browse: Browse) -> None:
    assistant = appliance.make_assistant(allowed_domains=["other.example"])
    site.embed(appliance.url, assistant["site_token"])
    browser = browse()
    widget = Widget(browser)
    browser.goto(site.url)

    widget.element(".launch").click()

    widget.wait_for("Чат не разрешён на этом сайте", ".bar")
    with appliance.api() as api:
        api.put(f"/api/assistants/{assistant['id']}", {"allowed_domains": [site.domain]})
    widget.element(".bar button").click()
    browser.wait(lambda: not widget.texts(".bar"), "the notice is gone")


def test_an_unknown_site_token_is_told_in_words(appliance: Appliance, site: Site, browse: Browse) -> None:
    site.embed(appliance.url, "st_nobody", language="en")
    browser = browse(language="en")
    widget = Widget(browser)
    browser.goto(site.url)

    widget.element(".launch").click()

    widget.wait_for("Try again", ".bar")
    assert widget.texts("h2") == ["Support"]


def _asked(browser: Browser, appliance: Appliance) -> list[str]:
    """What the browser has asked the appliance for, without the permissions that browsers ask by themselves."""
    socket_url = appliance.url.replace("http", "ws", 1)
    seen = [row.replace(appliance.url, "").replace(socket_url, "") for row in browser.requests()]
    return [row for row in seen if not row.startswith("OPTIONS") and "http" not in row and "data:" not in row]
