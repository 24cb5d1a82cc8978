"""The doors of an assistant: its bot and its site token, and who is told when one opens or closes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from replyx.assistants.assistants import Assistants
from replyx.assistants.views import AssistantView
from replyx.config.settings import Config
from replyx.errors import (
    BotAlreadyExists,
    Conflict,
    InvalidTelegramToken,
    NotAuthenticated,
    NotFound,
)
from replyx.events.catalogue import CONTROL
from replyx.events.memory import MemoryBus
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.types import Actor, Json
from tests.domain.owners import BOT, BOX, OTHER_BOT, make_assistants, make_user
from tests.support.clock import MovableClock


@pytest.fixture
def assistants(db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Assistants:
    return make_assistants(db, bus, clock, config)


@pytest.fixture
def owner(db: Database, clock: MovableClock) -> Actor:
    return make_user(db, clock, "a@example.com")


@pytest.fixture
def stranger(db: Database, clock: MovableClock, owner: Actor) -> Actor:
    return make_user(db, clock, "b@example.com", is_admin=True)


@pytest.fixture
def news(bus: MemoryBus) -> list[Json]:
    heard: list[Json] = []
    bus.subscribe(CONTROL, heard.append)
    return heard


@pytest.mark.parametrize(
    "token",
    [
        "1234567890:ABC...", "12345:" + "A" * 35, "1234567890123:" + "A" * 35, "1234567890:" + "A" * 29, "A" * 46,
        BOT + "!", "１２３４５６７:" + "A" * 35, "123456…K-bc",
    ],
)  # fmt: skip
def test_what_is_no_bots_token_is_refused(assistants: Assistants, owner: Actor, token: str) -> None:
    with pytest.raises(InvalidTelegramToken) as refused:
        assistants.create(owner, name="x", telegram_bot_token=token)
    assert token not in str(refused.value.details)
    assert assistants.list_for(owner) == ([], 0)


def test_a_bots_token_is_sealed_and_never_shown(db: Database, assistants: Assistants, owner: Actor) -> None:
    made = assistants.create(owner, name="x", telegram_bot_token=BOT)

    with db.connection():
        row: Any = Assistant.select().where(Assistant.id == made.id).dicts().get()
    assert BOT not in str(row)
    assert BOT.split(":")[1] not in str(row)
    assert BOX.open(row["telegram_token"]) == BOT
    assert BOT.split(":")[1] not in str(made)


def test_a_masked_token_changes_nothing_and_an_empty_one_disconnects(
    db: Database, assistants: Assistants, owner: Actor
) -> None:
    made = assistants.create(owner, name="x", telegram_bot_token=BOT)
    with db.transaction():
        Assistant.update(telegram_bot_username="my_bot").execute()

    for same in (made.telegram_bot_token, BOT, "654321…zzzz"):
        kept = assistants.update(owner, made.id, {"telegram_bot_token": same})
        assert (kept.telegram_bot_token, kept.telegram_bot_username) == (made.telegram_bot_token, "my_bot")
    with pytest.raises(InvalidTelegramToken):
        assistants.update(owner, made.id, {"telegram_bot_token": "nonsense"})
    other = assistants.update(owner, made.id, {"telegram_bot_token": OTHER_BOT})
    assert (other.telegram_bot_token, other.telegram_bot_username) == ("123456…K-bd", None)
    for nothing in ("", None):
        assistants.update(owner, made.id, {"telegram_bot_token": BOT})
        assert assistants.update(owner, made.id, {"telegram_bot_token": nothing}).telegram_bot_token is None
    assert assistants.create(owner, name="free again", telegram_bot_token=BOT).telegram_bot_token == "123456…K-bc"


def test_a_bot_is_connected_once(assistants: Assistants, owner: Actor, stranger: Actor) -> None:
    assistants.create(owner, name="x", telegram_bot_token=BOT)
    theirs = assistants.create(stranger, name="y")

    with pytest.raises(BotAlreadyExists):
        assistants.create(stranger, name="z", telegram_bot_token=BOT)
    with pytest.raises(BotAlreadyExists):
        assistants.update(stranger, theirs.id, {"telegram_bot_token": BOT, "name": "changed"})
    assert assistants.list_for(stranger) == ([theirs], 1)


def test_of_many_who_connect_one_bot_one_does(assistants: Assistants, owner: Actor) -> None:
    def connect(number: int) -> int:
        try:
            assistants.create(owner, name=str(number), telegram_bot_token=BOT)
        except BotAlreadyExists:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(connect, range(24))) == 1


def test_the_site_token_comes_and_goes_with_the_website(assistants: Assistants, owner: Actor) -> None:
    made = assistants.create(owner, name="x")
    on = assistants.update(owner, made.id, {"website_integration": True})
    assert on.site_token
    assert assistants.update(owner, made.id, {"website_integration": True}).site_token == on.site_token
    assert assistants.by_site_token(on.site_token) == on

    off = assistants.update(owner, made.id, {"website_integration": False})
    assert off.site_token is None
    with pytest.raises(NotAuthenticated):
        assistants.by_site_token(on.site_token)
    with pytest.raises(Conflict):
        assistants.rotate_site_token(owner, made.id)
    assert assistants.update(owner, made.id, {"website_integration": True}).site_token != on.site_token


def test_a_rotated_site_token_opens_nothing(assistants: Assistants, owner: Actor, news: list[Json]) -> None:
    before = assistants.create(owner, name="x", website_integration=True)
    after = assistants.rotate_site_token(owner, before.id)

    assert after.site_token != before.site_token
    assert news == [{"kind": "assistant_changed", "assistant_id": before.id}]
    assert assistants.by_site_token(after.site_token or "") == after
    with pytest.raises(NotAuthenticated):
        assistants.by_site_token(before.site_token or "")


@pytest.mark.parametrize("token", ["", "st_", "x" * 65, "a\x00", "\ud800", "é", "' OR 1=1 --", None, 5, []])
def test_what_is_no_site_token_opens_nothing(assistants: Assistants, owner: Actor, token: Any) -> None:
    assistants.create(owner, name="without a website")
    with pytest.raises(NotAuthenticated):
        assistants.by_site_token(token)


def test_a_widget_is_closed_where_its_assistant_or_owner_is_switched_off(
    db: Database, assistants: Assistants, owner: Actor
) -> None:
    made = assistants.create(owner, name="x", website_integration=True)
    token = made.site_token or ""

    assistants.update(owner, made.id, {"is_active": False})
    with pytest.raises(NotAuthenticated):
        assistants.by_site_token(token)
    assistants.update(owner, made.id, {"is_active": True})
    assert assistants.by_site_token(token) == made
    with db.transaction():
        User.update(is_active=False).execute()
    with pytest.raises(NotAuthenticated):
        assistants.by_site_token(token)


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({"is_active": False}, True), ({"is_active": True}, False), ({"allowed_domains": ["b.example"]}, True),
        ({"allowed_domains": ["A.example"]}, False), ({"website_integration": False}, True),
        ({"website_integration": True}, False), ({"name": "y", "price": 5, "welcome_text": "z"}, False), ({}, False),
    ],
)  # fmt: skip
def test_listeners_are_told_when_a_gate_moves(
    assistants: Assistants, owner: Actor, news: list[Json], changes: dict[str, Any], is_told: bool
) -> None:
    made = assistants.create(owner, name="x", website_integration=True, allowed_domains=["a.example"])
    assistants.update(owner, made.id, changes)
    assert news == ([{"kind": "assistant_changed", "assistant_id": made.id}] if is_told else [])


def test_a_deleted_assistant_is_gone_and_told_of(assistants: Assistants, owner: Actor, news: list[Json]) -> None:
    made = assistants.create(owner, name="x", website_integration=True)
    assistants.delete(owner, made.id)

    assert news == [{"kind": "assistant_changed", "assistant_id": made.id}]
    for attempt in (assistants.get, assistants.delete, assistants.rotate_site_token):
        with pytest.raises(NotFound):
            attempt(owner, made.id)
    with pytest.raises(NotAuthenticated):
        assistants.by_site_token(made.site_token or "")
    assert assistants.create(owner, name="x").id > made.id


def test_the_pages_of_listed_domains_may_use_the_widget(assistants: Assistants, owner: Actor) -> None:
    def open_to(domains: list[str]) -> AssistantView:
        return assistants.create(owner, name="x", website_integration=True, allowed_domains=domains)

    listed, own = open_to(["example.com"]), {"http://127.0.0.1:8000"}
    assert assistants.origin_allowed(listed, "https://example.com", own)
    assert assistants.origin_allowed(listed, "http://127.0.0.1:8000", own)
    assert not assistants.origin_allowed(listed, "https://example.com.evil.io", own)
    assert not assistants.origin_allowed(open_to([]), "https://example.com", own)
