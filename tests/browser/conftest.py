"""Fixtures of the browser tests: a running appliance, and browsers of any width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.appliance import Appliance
from tests.browser.chromium import Browser, Chromium
from tests.browser.site import Site, open_site
from tests.browser.widget import Widget
from tests.support.http import Json
from tests.support.processes import Box, open_box

#: Opens a browser: `browse(width=360, language="en")`.
Browse = Callable[..., Browser]


@pytest.fixture(scope="session")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """One `replyx up` for all tests that leave it running."""
    with open_box(tmp_path_factory.mktemp("appliance")) as box:
        yield Appliance(box)


@pytest.fixture(scope="session")
def scholar(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """An assistant that has read from the Debian FAQ in Russian."""
    assistant = appliance.make_assistant("Знаток Debian")
    appliance.teach_faq(assistant, tmp_path_factory.mktemp("faq"))
    return assistant


@pytest.fixture
def own_appliance(box: Box) -> Appliance:
    """An appliance that this test may kill."""
    return Appliance(box)


@pytest.fixture(scope="session")
def chromiums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Chromium]]:
    """The run's browsers by language; one starts when it is first asked for."""
    running: dict[str, Chromium] = {}

    def of(language: str) -> Chromium:
        if language not in running:
            running[language] = Chromium(tmp_path_factory.mktemp(f"chromium-{language}"), language)
        return running[language]

    yield of
    for chromium in running.values():
        chromium.close()


@pytest.fixture
def browse(chromiums: Callable[[str], Chromium]) -> Browse:
    def open_window(language: str = "ru", **options: Any) -> Browser:
        return chromiums(language).window(**options)

    return open_window


@pytest.fixture(params=[1280, 360], ids=["desktop", "phone"])
def browser(request: pytest.FixtureRequest, browse: Browse) -> Browser:
    """A Russian browser: the test runs once on a desktop and once on a phone."""
    return browse(width=request.param)


@pytest.fixture
def widget(browser: Browser) -> Widget:
    return Widget(browser)


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site
