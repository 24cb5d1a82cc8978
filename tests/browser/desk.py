"""The console as an administrator uses it."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys

from tests.browser.appliance import Appliance
from tests.browser.chromium import Browser
from tests.support.http import Json


class Desk:
    """Finds its way in the console."""

    def __init__(self, browser: Browser, appliance: Appliance) -> None:
        self.browser, self._appliance = browser, appliance

    def log_in(self, password: str | None = None, email: str | None = None) -> None:
        """Open the console and enter: as the administrator, with the right password, if no other is given."""
        self.browser.goto(f"{self._appliance.url}/")
        self.browser.fill("[name=email]", email or self._appliance.email)
        self.browser.fill("[name=password]", password or self._appliance.password)
        self.browser.click("form [type=submit]")
        if password is None:
            self.browser.wait_for_text(self._appliance.email, "header")

    def open(self, assistant: Json, page: str) -> None:
        """One of an assistant's pages: knowledge, check, site, dialogs, settings."""
        self.browser.js("location.hash = arguments[0]", f"#/{assistant['id']}/{page}")
        self.browser.find(f".tabs a[href='#/{assistant['id']}/{page}'][aria-current]")

    def search(self, question: str) -> None:
        self.browser.fill("[name=q]", question)
        self.browser.find("[name=q]").send_keys(Keys.ENTER)
