"""The widget as a visitor sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.browser.chromium import Browser

_SHADOW = "const shadow = document.querySelector('replyx-widget')?.shadowRoot; if (!shadow) return null;"

_MESSAGES = """
    return [...shadow.querySelectorAll('.m:not([aria-busy]):not([data-seq="0"])')].map((message) => ({
      sender: message.classList[1],
      text: message.querySelector('.b').textContent,
      meta: message.querySelector('.meta')?.textContent ?? '',
      name: message.querySelector('.who')?.textContent ?? '',
      sources: [...message.querySelectorAll('.src summary b + span')].map((span) => span.textContent),
      quotes: [...message.querySelectorAll('blockquote')].map((quote) => quote.textContent),
      is_stored: 'seq' in message.dataset,
    }));
"""

#: Notes the lengths that an answer had while it was being written.
WATCH_STREAMING = """
    window.lengths = [];
    const shadow = document.querySelector('replyx-widget').shadowRoot;
    new MutationObserver(() => {
      const live = shadow.querySelector('[aria-busy] .b');
      if (live) window.lengths.push(live.textContent.length);
    }).observe(shadow, {subtree: true, childList: true});
"""


@dataclass(frozen=True)
class Shown:
    """A message on the screen."""

    sender: str
    text: str
    meta: str
    name: str
    sources: list[str]
    quotes: list[str]
    is_stored: bool


class Widget:
    """Finds its way in the widget of the page that is open."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def js(self, script: str, *arguments: Any) -> Any:
        """Run a function body with `shadow` at hand; None while there is no widget."""
        return self.browser.js(f"{_SHADOW} {script}", *arguments)

    def element(self, selector: str) -> WebElement:
        """An element of the widget, as soon as there is one."""
        found: WebElement = self.browser.wait(
            lambda: self.js("return shadow.querySelector(arguments[0])", selector), f"{selector} in the widget"
        )
        return found

    def texts(self, selector: str) -> list[str]:
        """What such elements say, as far as they are to be seen."""
        script = """
            return [...shadow.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility())
              .map((one) => one.innerText);
        """
        return list(self.js(script, selector) or [])

    @property
    def messages(self) -> list[Shown]:
        """The conversation without the greeting, oldest first."""
        return [Shown(**row) for row in self.js(_MESSAGES) or []]

    def of(self, sender: str) -> list[Shown]:
        return [message for message in self.messages if message.sender == sender]

    def say(self, text: str) -> None:
        """Write a message and send it by the keyboard."""
        self.element("textarea").send_keys(text, Keys.ENTER)

    def ask(self, text: str, seconds: float = 30) -> Shown:
        """Send a question; the answer to it."""
        before = len(self.of("assistant"))
        self.say(text)
        answers: list[Shown] = self.browser.wait(
            lambda: self.of("assistant")[before:], f"an answer to “{text}”", seconds
        )
        return answers[0]

    def wait_for(self, text: str, selector: str, seconds: float = 15) -> None:
        """Wait until `text` is read in such an element of the widget."""
        self.browser.wait(
            lambda: any(text in said for said in self.texts(selector)), f"“{text}” in {selector}", seconds
        )
