"""What an administrator changes of a user, and who proves the password once more."""

from __future__ import annotations

from typing import Any

import pytest

from replyx.accounts.accounts import Accounts
from replyx.accounts.tokens import Tokens
from replyx.accounts.views import UserView
from replyx.config.settings import Config
from replyx.errors import InvalidCredentials, NotAuthenticated, NotFound, TokenExpired, ValidationFailed
from replyx.events.audit import AuditFilter
from replyx.events.catalogue import CONTROL
from replyx.events.memory import MemoryBus
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.types import SYSTEM
from tests.support.clock import MovableClock

PASSWORD = "correct horse battery"


@pytest.fixture
def accounts(db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Accounts:
    return Accounts(db, bus, clock, Tokens(db, bus, clock, b"k" * 32), config, SecretBox(b"k" * 32))


@pytest.fixture
def user(accounts: Accounts) -> UserView:
    return accounts.create_user("anna@example.com", PASSWORD, first_name="Анна")


def _audited(accounts: Accounts) -> list[tuple[str, Any, Any]]:
    """Lines of the audit log, oldest first: action, outcome, and which fields it names."""
    rows, _ = accounts.audit.list(AuditFilter())
    return [(row.action, row.outcome, (row.details or {}).get("fields")) for row in reversed(rows)]


def test_what_is_named_is_changed_and_nothing_else(accounts: Accounts, user: UserView) -> None:
    token = accounts.issue_access(user)

    view = accounts.change_user(user.id, {"last_name": " Иванова ", "plan": "pro", "onboarding_completed": True})

    assert (view.first_name, view.last_name, view.plan, view.onboarding_completed) == ("Анна", "Иванова", "pro", True)
    assert accounts.authenticate(token).user_id == user.id
    assert _audited(accounts)[1:] == [("user.changed", "ok", "last_name, onboarding_completed, plan")]


def test_a_user_is_disabled_once_and_nothing_else_ends_sessions(accounts: Accounts, user: UserView) -> None:
    token = accounts.issue_access(user)
    accounts.change_user(user.id, {"is_active": True})
    assert accounts.authenticate(token).user_id == user.id

    assert not accounts.change_user(user.id, {"is_active": False}).is_active
    accounts.change_user(user.id, {"is_active": False, "plan": "pro"})

    with pytest.raises(NotAuthenticated):
        accounts.authenticate(token)
    assert [action for action, _, _ in _audited(accounts)] == ["user.created", "user.disabled", "user.changed"]


def test_an_owner_who_is_disabled_ends_the_sessions_of_its_operators_for_good(
    accounts: Accounts, user: UserView, bus: MemoryBus
) -> None:
    mine, stranger = (
        accounts.add(accounts.prepare(f"{name}@example.com", PASSWORD, owner_id=owner))
        for name, owner in (("olga", user.id), ("boris", None))
    )
    tokens = {view.id: accounts.issue_access(view) for view in (user, mine, stranger)}
    told: list[int] = []
    bus.subscribe(CONTROL, lambda news: told.append(news["user_id"]))

    accounts.set_active(user.id, False)
    with pytest.raises(InvalidCredentials):
        accounts.login(mine.email, PASSWORD)
    accounts.set_active(user.id, True)
    assert accounts.login(mine.email, PASSWORD)[1].id == mine.id

    assert told == [mine.id, user.id] * 2
    assert accounts.authenticate(tokens[stranger.id]).user_id == stranger.id
    for ended in (user.id, mine.id):
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(tokens[ended])


@pytest.mark.parametrize("changes", [{"first_name": "я" * 101}, {"last_name": "я" * 101}, {"plan": "x" * 33}])
def test_texts_that_are_too_long_change_nothing(accounts: Accounts, user: UserView, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        accounts.change_user(user.id, {**changes, "is_active": False})

    assert refused.value.details["field"] in changes
    assert accounts.get(user.id) == user
    longest = {name: text[:-1] for name, text in changes.items()}
    assert accounts.change_user(user.id, longest).as_json().items() >= longest.items()


def test_nobody_is_not_changed(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        accounts.change_user(1, {"plan": "pro"})


def test_the_password_is_proven_once_more_by_its_user(accounts: Accounts, user: UserView) -> None:
    actor = accounts.authenticate(accounts.issue_access(user))

    assert accounts.require_password(actor, PASSWORD).id == user.id
    with pytest.raises(ValidationFailed) as refused:
        accounts.require_password(actor, f"{PASSWORD}x")

    assert refused.value.details["field"] == "password"
    assert _audited(accounts)[-1][:2] == ("password.asked", "refused")
    with pytest.raises(NotAuthenticated):
        accounts.require_password(SYSTEM, PASSWORD)


def test_a_session_lasts_as_long_as_the_settings_say(
    accounts: Accounts, user: UserView, clock: MovableClock, config: Config
) -> None:
    token, _ = accounts.login(user.email, PASSWORD)
    clock.advance(config.security.access_token_minutes * 60 - 1)
    assert accounts.authenticate(token).user_id == user.id
    clock.advance(1)
    with pytest.raises(TokenExpired):
        accounts.authenticate(token)


def test_a_login_that_failed_is_in_the_audit_log(accounts: Accounts, user: UserView) -> None:
    with pytest.raises(InvalidCredentials):
        accounts.login(user.email, "wrong horse battery")
    assert _audited(accounts)[-1][:2] == ("login", "refused")
