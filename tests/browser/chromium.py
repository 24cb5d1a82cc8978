"""Debian's Chromium, driven by its own driver: one fresh profile a browser, nothing downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.leftovers import kept
from tests.support.programs import find_program, wait_until

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Smooth scrolling would carry buttons away from under the pointer.
    "--force-prefers-reduced-motion",
    # Names under example are the test's own sites, on this machine.
    "--host-resolver-rules=MAP *.example 127.0.0.1",
)

#: The widget's shadow root is closed to the page; tests look into it as the browser's tools do, by opening it.
_OPEN_SHADOWS = """
    const attach = Element.prototype.attachShadow;
    Element.prototype.attachShadow = function (init) { return attach.call(this, {...init, mode: 'open'}); };
"""


class Browser:
    """One window."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def goto(self, url: str) -> None:
        self.driver.get(url)

    def reload(self) -> None:
        self.driver.refresh()

    def js(self, script: str, *arguments: Any) -> Any:
        """Run a function body in the page; what it returns."""
        return self.driver.execute_script(script, *arguments)

    def before_each_page(self, script: str) -> None:
        """Run `script` in every page before its own."""
        self.command("Page.addScriptToEvaluateOnNewDocument", source=script)

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the browser's own protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def find(self, selector: str, seconds: float = 10) -> WebElement:
        """The first element, as soon as there is one; fails the test where none comes."""
        found: WebElement = self.wait(lambda: self.all(selector)[:1], f"an element {selector}", seconds)[0]
        return found

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        """Click the first such element, once; again only where the page drew it anew between finding and clicking."""

        def click() -> bool:
            for element in self.all(selector)[:1]:
                element.click()
                return True
            return False

        self.wait(click, f"a click on {selector}")

    def fill(self, selector: str, text: str) -> None:
        """Replace what stands in a field."""

        def fill() -> bool:
            for element in self.all(selector)[:1]:
                element.clear()
                element.send_keys(text)
                return True
            return False

        self.wait(fill, f"a field {selector}")

    def text(self, selector: str = "body") -> str:
        """What is written in the first such element; empty where there is none."""
        return str(self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def wait_for_text(self, wanted: str, selector: str = "body", seconds: float = 15) -> None:
        """Wait until `wanted` is read there; fails the test with what is read instead."""
        self.wait(lambda: wanted in self.text(selector), f"“{wanted}” in {selector}", seconds)

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 15) -> Any:
        """The first true value of `condition`; fails the test after `seconds`."""
        found: list[Any] = []

        def look() -> bool:
            try:
                value = condition()
            except WebDriverException:
                # The page is just being replaced.
                return False
            if value:
                found.append(value)
            return bool(value)

        wait_until(look, seconds, what)
        return found[0]

    def requests(self) -> list[str]:
        """What was fetched since the last call, sockets too: method and URL."""
        events = [json.loads(row["message"])["message"] for row in self.driver.get_log("performance")]  # type: ignore[no-untyped-call]
        seen = []
        for event in events:
            if event["method"] == "Network.requestWillBeSent":
                request = event["params"]["request"]
                seen.append(f"{request['method']} {request['url']}")
            elif event["method"] == "Network.webSocketCreated":
                seen.append(f"SOCKET {event['params']['url']}")
        return seen

    def complaints(self) -> list[str]:
        """Errors that the browser noted since the last call: exceptions, refused policies, failed loads."""
        rows = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [row["message"] for row in rows if row["level"] == "SEVERE"]

    def photograph(self, file: Path) -> None:
        assert self.driver.save_screenshot(str(file))


class Chromium:
    """One running browser; each window that it opens is a stranger to those before it."""

    def __init__(self, folder: Path, language: str) -> None:
        options = ChromeOptions()
        options.binary_location = find_program("chromium")
        for flag in (*_FLAGS, f"--user-data-dir={folder}", f"--lang={language}", f"--accept-lang={language}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(find_program("chromedriver"))
        self._driver = Chrome(options=options, service=service)
        # A test may be the first that asks for it, and not the last that uses it.
        kept.add(service.process.pid)

    def window(self, *, width: int = 1280, height: int = 800, is_dark: bool = False) -> Browser:
        """A window in place of the last one, which knows nothing of what that one kept; narrow, it is a phone."""
        driver = self._driver
        old = driver.current_window_handle
        driver.switch_to.new_window("tab")
        new = driver.current_window_handle
        driver.switch_to.window(old)
        driver.close()
        driver.switch_to.window(new)
        browser = Browser(driver)
        browser.command("Storage.clearDataForOrigin", origin="*", storageTypes="all")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        browser.command("Emulation.setEmulatedMedia", features=[scheme])
        browser.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        browser.before_each_page(_OPEN_SHADOWS)
        browser.requests()
        browser.complaints()
        return browser

    def close(self) -> None:
        self._driver.quit()
