"""Assistants: what an owner may set up, and that nobody else sees or changes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from replyx.assistants.assistants import Assistants
from replyx.config.settings import Config
from replyx.errors import (
    Conflict,
    NotAuthenticated,
    NotFound,
    ReplyXError,
    ValidationFailed,
)
from replyx.events.catalogue import CONTROL
from replyx.events.memory import MemoryBus
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.types import SYSTEM, Actor, Json, Role
from tests.domain.owners import BOT, make_assistants, make_user
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
        "prices": None,
        "daily_cap": None,
        "answer_threshold": None,
        "clarify_threshold": None,
        "telegram_group_id": None,
        "telegram_api_base": None,
        "telegram_proxy": None,
    }
    assert assistants.get(owner, made.id) == made
    assert assistants.list_for(owner) == ([made], 1)


def test_a_name_is_enough(assistants: Assistants, owner: Actor) -> None:
    made = assistants.create(owner, name="x")
    assert (made.ai_model, made.site_token, made.allowed_domains, made.price) == ("extractive", None, (), None)


@pytest.mark.parametrize(("field", "value"), [("name", ""), ("ai_model", "gpt-5000"), ("price", -1)])
def test_a_field_that_cannot_be_used_changes_nothing(
    assistants: Assistants, owner: Actor, field: str, value: Any
) -> None:
    made = assistants.create(owner, name="x")
    given = {"name": "x", field: value}
    attempts: list[Callable[[], object]] = [
        lambda: assistants.create(owner, **given),
        lambda: assistants.update(owner, made.id, {field: value}),
    ]
    for attempt in attempts:
        with pytest.raises(ValidationFailed) as refused:
            attempt()
        assert refused.value.details["field"] == field
    assert assistants.list_for(owner) == ([made], 1)


def test_all_that_is_wrong_is_told_at_once(assistants: Assistants, owner: Actor) -> None:
    with pytest.raises(ValidationFailed) as refused:
        assistants.create(owner, name="", price=-1, allowed_domains=["ok.example", "/"])
    assert [issue.field for issue in refused.value.issues] == ["name", "allowed_domains.1", "price"]


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
    first, second = (make_user(db, clock, f"{name}@example.com", is_admin=True) for name in ("first", "second"))
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


def test_a_refused_change_says_what_to_do_in_both_languages(assistants: Assistants, owner: Actor) -> None:
    with pytest.raises(ReplyXError) as refused:
        assistants.get(owner, 404)
    assert (refused.value.message("ru"), refused.value.message("en")) == ("Ассистент не найден", "No such assistant")
