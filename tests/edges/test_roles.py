"""The worker and the bot manager as a process runs them: the whole app behind them, from start to a clean end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from replyx import __version__
from replyx.app import App, open_app
from replyx.bots.running import configured_bots, run_bots
from replyx.config.settings import Config
from replyx.tasks.names import ANSWER_GENERATE
from replyx.types import Actor, Role
from replyx.worker.running import run_worker
from tests.conftest import Configure
from tests.support.programs import wait_until

RunRole = Callable[[Callable[[App, threading.Event], None], App], threading.Event]


@pytest.fixture
def run_role() -> Iterator[RunRole]:
    """Runs a role in a thread until the test is over."""
    running: list[tuple[threading.Event, threading.Thread]] = []

    def run(role: Callable[[App, threading.Event], None], app: App) -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=role, args=(app, stop))
        thread.start()
        running.append((stop, thread))
        return stop

    yield run
    for stop, thread in running:
        stop.set()
        thread.join(60)


@pytest.fixture
def embedded(config: Config) -> Iterator[App]:
    app = open_app(config)
    yield app
    app.close()


@pytest.fixture
def production(configure: Configure, postgres_url: str, redis_url: str) -> Iterator[App]:
    app = open_app(configure(REPLYX_DATABASE__URL=postgres_url, REPLYX_REDIS__URL=redis_url))
    yield app
    app.close()


@pytest.fixture(params=["embedded", "production"])
def app(request: pytest.FixtureRequest) -> App:
    app: App = request.getfixturevalue(request.param)
    return app


def _roles(app: App) -> list[str]:
    return [beat.role for beat in app.beats.list() if beat.alive]


def test_the_worker_signs_in_takes_tasks_and_signs_off(
    app: App, run_role: RunRole, caplog: pytest.LogCaptureFixture
) -> None:
    stop = run_role(run_worker, app)
    wait_until(lambda: _roles(app) == ["worker"], 5, "the worker gave no sign of life")
    (beat,) = app.beats.list()
    # With PostgreSQL it also names its file in the data directory.
    assert {name: value for name, value in (beat.detail or {}).items() if name != "sign"} == {
        "version": __version__,
        "threads": app.config.answers.threads,
        "figures": app.figures.as_json(),
    }
    # A reply that nobody owes: the actor looks, finds nothing to do, and the worker goes on.
    app.queue.send(ANSWER_GENERATE, 10**9)
    stop.set()
    wait_until(lambda: _roles(app) == [], 12, "the worker did not sign off")
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def test_an_idle_worker_ends_soon(app: App, run_role: RunRole) -> None:
    stop = run_role(run_worker, app)
    wait_until(lambda: _roles(app), 5, "the worker gave no sign of life")
    began = time.monotonic()
    stop.set()
    wait_until(lambda: not _roles(app), 5, "the worker did not sign off")
    # Three seconds on a machine that has nothing else to do; a busy worker may take ten and more.
    assert time.monotonic() - began < 10


def test_the_bot_manager_says_that_no_bot_is_configured_and_then_how_many(
    app: App, run_role: RunRole, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "replyx.bots")
    stop = run_role(run_bots, app)
    wait_until(lambda: _roles(app) == ["bots"], 5, "the bot manager gave no sign of life")
    assert [record.getMessage() for record in caplog.records] == ["no Telegram bot is configured"]
    owner = app.registration.register("owner@example.com", "correct horse battery", "Ольга")
    app.assistants.create(
        Actor(Role.OWNER, user_id=owner.id),
        name="A",
        telegram_bot_token="123456789:" + "AbCdEfGhIjKlMnOpQrStUvWxYz012345678",
    )
    assert configured_bots(app) == 1
    wait_until(lambda: "Telegram bots are configured" in [r.getMessage() for r in caplog.records], 5, "not noticed")
    stop.set()
    # What runs bots is loaded by then, which takes seconds.
    wait_until(lambda: not app.beats.list(), 200, "the bot manager did not sign off")


def test_an_assistant_that_is_switched_off_needs_no_bot(embedded: App) -> None:
    owner = embedded.registration.register("owner@example.com", "correct horse battery", "Ольга")
    actor = Actor(Role.OWNER, user_id=owner.id)
    token = "123456789:" + "AbCdEfGhIjKlMnOpQrStUvWxYz012345678"
    assistant = embedded.assistants.create(actor, name="A", telegram_bot_token=token)
    embedded.assistants.create(actor, name="B")
    assert configured_bots(embedded) == 1
    embedded.assistants.update(actor, assistant.id, {"is_active": False})
    assert configured_bots(embedded) == 0
