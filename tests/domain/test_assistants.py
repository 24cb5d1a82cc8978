"""Assistants: what an owner may set up, and that nobody else sees or changes it."""

from __future__ import annotations

import re
from collections.abc import Callable
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
    ReplyXError,
    ValidationFailed,
)
from replyx.events.catalogue import CONTROL
from replyx.events.memory import MemoryBus
from replyx.security.secretbox import SecretBox
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.types import SYSTEM, Actor, Json, Role
from tests.support.clock import MovableClock

BOT = "1234567890:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"
OTHER_BOT = "1234567890:BBEhBOweik6ad9r_QXMENQjcrGbqCr4K-bd"
BOX = SecretBox(bytes(range(32)))


def _check_model(model: str) -> None:
    if model not in ("gpt-4", "extractive"):
        raise ValidationFailed.of("ai_model", "Нет такой модели", "No such model")


@pytest.fixture
def assistants(db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Assistants:
    return Assistants(db, bus, clock, BOX, config, _check_model, lambda: "extractive")


@pytest.fixture
def owner(db: Database, clock: MovableClock) -> Actor:
    return _user(db, clock, "a@example.com")


@pytest.fixture
def stranger(db: Database, clock: MovableClock, owner: Actor) -> Actor:
    return _user(db, clock, "b@example.com", is_admin=True)


@pytest.fixture
def news(bus: MemoryBus) -> list[Json]:
    heard: list[Json] = []
    bus.subscribe(CONTROL, heard.append)
    return heard


def _user(db: Database, clock: MovableClock, email: str, *, is_admin: bool = False) -> Actor:
    with db.transaction():
        row = User.create(email=email, password_hash="-", token_epoch="-", is_admin=is_admin, created_at=clock.now())
    return Actor(Role.ADMIN if is_admin else Role.OWNER, user_id=row.id)


def test_an_assistant_is_shown_in_the_contracts_form(assistants: Assistants, owner: Actor) -> None:
    made = assistants.create(
        owner,
        name=" Техподдержка ",
        description="Помощник",
        system_prompt="Ты техподдержка.\nОтвечай кратко.",
        ai_model="gpt-4",
        telegram_bot_token=BOT,
        website_integration=True,
        allowed_domains=["Example.com", "*.example.com"],
        price=7_50,
    )

    shown = made.as_json()
    assert re.fullmatch(r"st_[A-Za-z0-9_-]{32}", shown.pop("site_token"))
    assert shown == {
        "id": made.id,
        "name": "Техподдержка",
        "description": "Помощник",
        "system_prompt": "Ты техподдержка.\nОтвечай кратко.",
        "ai_model": "gpt-4",
        "is_active": True,
        "telegram_bot_token": "123456…K-bc",
        "telegram_bot_username": None,
        "website_integration": True,
        "allowed_domains": ["example.com", "*.example.com"],
        "created_at": "2025-09-01T10:00:00Z",
        "handoff_keywords": None,
        "not_found_text": None,
        "unavailable_text": None,
        "welcome_text": None,
        "price": 7.5,
        "answer_threshold": None,
    }
    assert assistants.get(owner, made.id) == made
    assert assistants.list_for(owner) == ([made], 1)


def test_a_name_is_enough(assistants: Assistants, owner: Actor) -> None:
    made = assistants.create(owner, name="x")
    assert (made.ai_model, made.site_token, made.allowed_domains, made.price) == ("extractive", None, (), None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "   "), ("name", "x" * 101), ("name", "a\x00b"), ("name", "a\nb"), ("name", None),
        ("name", 5), ("description", "x" * 2001), ("description", 5), ("system_prompt", "x" * 20_001), ("system_prompt", "\ud800"),
        ("ai_model", "gpt-5000"), ("ai_model", 5), ("telegram_bot_token", 5), ("website_integration", "true"),
        ("website_integration", 1), ("website_integration", None), ("allowed_domains", "example.com"),
        ("allowed_domains", ["https://example.com"]), ("allowed_domains", [None]), ("handoff_keywords", "оператор"),
        ("handoff_keywords", [""]), ("handoff_keywords", ["x"] * 101), ("handoff_keywords", [5]),
        ("not_found_text", "x" * 2001), ("welcome_text", "a\x00"), ("unavailable_text", {}), ("price", -1),
        ("price", 1.5), ("price", True), ("price", "5"), ("price", 1_000_000_001), ("answer_threshold", 1.1),
        ("answer_threshold", -0.1),
        ("answer_threshold", float("nan")), ("answer_threshold", True), ("answer_threshold", "0.5"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_used_is_named(assistants: Assistants, owner: Actor, field: str, value: Any) -> None:
    made = assistants.create(owner, name="x")
    given = {"name": "x", field: value}
    attempts: list[Callable[[], object]] = [
        lambda: assistants.create(owner, **given),
        lambda: assistants.update(owner, made.id, {field: value}),
    ]
    for attempt in attempts:
        with pytest.raises(ValidationFailed) as refused:
            attempt()
        assert refused.value.details["field"].startswith(field)
    assert assistants.list_for(owner) == ([made], 1)


def test_all_that_is_wrong_is_told_at_once(assistants: Assistants, owner: Actor) -> None:
    with pytest.raises(ValidationFailed) as refused:
        assistants.create(owner, name="", price=-1, allowed_domains=["ok.example", "/"])
    assert [issue.field for issue in refused.value.issues] == ["name", "allowed_domains.1", "price"]


@pytest.mark.parametrize(
    "field",
    ["id", "user_id", "user", "site_token", "created_at", "telegram_token", "telegram_bot_username", "isActive", ""],
)
def test_what_no_request_may_write_is_refused(assistants: Assistants, owner: Actor, field: str) -> None:
    made = assistants.create(owner, name="x", website_integration=True)
    with pytest.raises(ValidationFailed) as refused:
        assistants.update(owner, made.id, {"name": "y", field: 1})
    assert refused.value.details["field"] == field
    assert assistants.get(owner, made.id) == made


def test_a_change_changes_what_it_names(assistants: Assistants, owner: Actor) -> None:
    made = assistants.create(owner, name="x", description="d", price=1_00, handoff_keywords=["a", "b", "a"])
    assert made.handoff_keywords == ("a", "b")

    changed = assistants.update(
        owner,
        made.id,
        {
            "name": "y",
            "is_active": False,
            "price": None,
            "handoff_keywords": [],
            "answer_threshold": 1,
            "ai_model": "gpt-4",
        },
    )

    assert (changed.name, changed.description, changed.is_active) == ("y", "d", False)
    assert (changed.price, changed.handoff_keywords, changed.answer_threshold) == (None, (), 1.0)
    assert changed.ai_model == "gpt-4"
    assert assistants.update(owner, made.id, {"ai_model": None, "description": None}).ai_model == "extractive"
    assert assistants.update(owner, made.id, {}) == assistants.get(owner, made.id)


def test_a_model_that_nobody_offers_any_more_does_not_block_other_changes(
    db: Database, assistants: Assistants, owner: Actor
) -> None:
    made = assistants.create(owner, name="x")
    with db.transaction():
        Assistant.update(ai_model="gone").execute()

    assert assistants.update(owner, made.id, {"name": "y", "ai_model": "gone"}).name == "y"
    with pytest.raises(ValidationFailed):
        assistants.update(owner, made.id, {"ai_model": "gone too"})


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


def test_another_tenants_assistant_does_not_exist(
    assistants: Assistants, owner: Actor, stranger: Actor, news: list[Json]
) -> None:
    made = assistants.create(owner, name="x", website_integration=True)
    outsiders = (stranger, Actor(Role.VISITOR, dialog_id=1), Actor(Role.ANONYMOUS), Actor(Role.OWNER))
    attempts: list[Callable[[Actor, int], object]] = [
        assistants.get,
        assistants.delete,
        assistants.rotate_site_token,
        lambda actor, number: assistants.update(actor, number, {"name": "stolen"}),
        assistants.find,
    ]
    for actor in outsiders:
        assert assistants.list_for(actor) == ([], 0)
        for attempt in attempts:
            with pytest.raises(NotFound):
                attempt(actor, made.id)
    for number in (0, -1, made.id + 1, 2**63, 2**200):
        with pytest.raises(NotFound):
            assistants.get(owner, number)
    assert assistants.get(owner, made.id) == made
    assert assistants.get(SYSTEM, made.id) == made
    assert news == []


def test_only_users_make_assistants(assistants: Assistants) -> None:
    for actor in (SYSTEM, Actor(Role.ANONYMOUS), Actor(Role.VISITOR, dialog_id=1)):
        with pytest.raises(NotAuthenticated):
            assistants.create(actor, name="x")


def test_assistants_are_listed_in_pages(assistants: Assistants, owner: Actor, stranger: Actor) -> None:
    mine = [assistants.create(owner, name=str(number)) for number in range(3)]
    theirs = assistants.create(stranger, name="theirs")

    assert assistants.list_for(owner, limit=1, offset=1) == (mine[1:2], 3)
    assert assistants.list_for(SYSTEM) == ([*mine, theirs], 4)


def test_the_demo_is_the_first_administrators_oldest_open_assistant(
    db: Database, assistants: Assistants, owner: Actor, clock: MovableClock
) -> None:
    assert assistants.demo() is None
    assistants.create(owner, name="no administrator's", website_integration=True)
    assert assistants.demo() is None
    first, second = (_user(db, clock, f"{name}@example.com", is_admin=True) for name in ("first", "second"))
    assistants.create(second, name="second administrator's", website_integration=True)
    assistants.create(first, name="not on a website")
    assert assistants.demo() is None
    oldest = assistants.create(first, name="oldest", website_integration=True)
    newer = assistants.create(first, name="newer", website_integration=True)
    assert assistants.demo() == oldest
    assistants.update(first, oldest.id, {"is_active": False})
    assert assistants.demo() == newer


def test_an_assistant_is_found_by_number_or_name(assistants: Assistants, owner: Actor, stranger: Actor) -> None:
    shop, twin = assistants.create(owner, name="Магазин"), assistants.create(stranger, name="магазин")

    assert assistants.find(owner, "МАГАЗИН") == shop
    assert assistants.find(owner, shop.id) == assistants.find(SYSTEM, str(shop.id)) == shop
    with pytest.raises(Conflict) as refused:
        assistants.find(SYSTEM, "магазин")
    assert str(twin.id) in refused.value.message_en
    with pytest.raises(NotFound):
        assistants.find(owner, "Склад")


def test_an_assistant_named_by_a_number_is_found_by_its_id_first(assistants: Assistants, owner: Actor) -> None:
    first = assistants.create(owner, name="x")
    named = assistants.create(owner, name=str(first.id))
    assert assistants.find(owner, str(first.id)) == first
    assert assistants.find(owner, str(named.id)) == named


def test_the_pages_of_listed_domains_may_use_the_widget(assistants: Assistants, owner: Actor) -> None:
    def open_to(domains: list[str]) -> AssistantView:
        return assistants.create(owner, name="x", website_integration=True, allowed_domains=domains)

    listed, own = open_to(["example.com"]), {"http://127.0.0.1:8000"}
    assert assistants.origin_allowed(listed, "https://example.com", own)
    assert assistants.origin_allowed(listed, "http://127.0.0.1:8000", own)
    assert not assistants.origin_allowed(listed, "https://example.com.evil.io", own)
    assert not assistants.origin_allowed(open_to([]), "https://example.com", own)


def test_a_refused_change_says_what_to_do_in_both_languages(assistants: Assistants, owner: Actor) -> None:
    with pytest.raises(ReplyXError) as refused:
        assistants.get(owner, 404)
    assert (refused.value.message("ru"), refused.value.message("en")) == ("Ассистент не найден", "No such assistant")
