"""People: logging in, staying in, and being put out."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median

import pytest

from replyx.accounts.accounts import Accounts
from replyx.accounts.tokens import Tokens
from replyx.accounts.views import UserView
from replyx.config.settings import Config
from replyx.errors import (
    Conflict,
    InvalidCredentials,
    NotAuthenticated,
    NotFound,
    ReplyXError,
    TokenExpired,
    ValidationFailed,
)
from replyx.events.catalogue import CONTROL
from replyx.events.memory import MemoryBus
from replyx.security.secretbox import SecretBox
from replyx.security.tokens import TokenKind
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.types import SYSTEM, Actor, Json, Role
from tests.support.clock import MovableClock

PASSWORD = "correct horse battery"


@pytest.fixture
def tokens(db: Database, bus: MemoryBus, clock: MovableClock) -> Tokens:
    return Tokens(db, bus, clock, bytes(range(32)))


@pytest.fixture
def accounts(db: Database, bus: MemoryBus, clock: MovableClock, tokens: Tokens, config: Config) -> Accounts:
    return Accounts(db, bus, clock, tokens, config, SecretBox(bytes(range(32))))


@pytest.fixture
def user(accounts: Accounts) -> UserView:
    return accounts.create_user("Anna@Example.com", PASSWORD, first_name=" Анна ", last_name="O'Brien")


@pytest.fixture
def news(bus: MemoryBus) -> list[Json]:
    heard: list[Json] = []
    bus.subscribe(CONTROL, heard.append)
    return heard


def test_a_user_is_shown_in_the_contracts_form(user: UserView) -> None:
    assert user.as_json() == {
        "id": user.id,
        "email": "anna@example.com",
        "first_name": "Анна",
        "last_name": "O'Brien",
        "is_admin": False,
        "balance": 0.0,
        "welcome_bonus": 0.0,
        "plan": "trial",
        "onboarding_completed": False,
        "created_at": "2025-09-01T10:00:00Z",
        "role": "owner",
        "totp_enabled": False,
        "email_verified": False,
    }
    assert replace(user, balance=1234).login_json() == {
        "id": user.id,
        "email": "anna@example.com",
        "is_admin": False,
        "balance": 12.34,
    }


def test_an_email_belongs_to_one_user_whatever_its_case(accounts: Accounts, user: UserView) -> None:
    with pytest.raises(Conflict) as refused:
        accounts.create_user("ANNA@example.COM", PASSWORD)
    assert refused.value.details["field"] == "email"
    assert accounts.find(" ANNA@EXAMPLE.com").id == user.id


def test_of_many_who_register_one_email_one_does(db: Database, accounts: Accounts) -> None:
    new = accounts.prepare("a@example.com", PASSWORD)

    def add(number: int) -> int:
        try:
            accounts.add(replace(new, first_name=str(number)))
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(24))) == 1
    assert accounts.list_users()[1] == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("email", {"email": "nobody"}),
        ("password", {"password": "12345678"}),
        ("first_name", {"first_name": "x" * 101}),
        ("last_name", {"last_name": "a\x00b"}),
    ],
)
def test_a_field_that_cannot_be_used_is_named(accounts: Accounts, field: str, values: dict[str, str]) -> None:
    given = {"email": "a@example.com", "password": PASSWORD, **values}
    with pytest.raises(ValidationFailed) as refused:
        accounts.create_user(**given)  # type: ignore[arg-type]
    assert refused.value.details["field"] == field
    assert accounts.list_users() == ([], 0)


def test_a_login_answers_a_token_of_the_user(accounts: Accounts, user: UserView, clock: MovableClock) -> None:
    clock.advance(5)
    token, shown = accounts.login("ANNA@example.com", PASSWORD)

    assert shown == replace(user, last_login_at=clock.now())
    actor = accounts.authenticate(token)
    assert (actor.role, actor.user_id, actor.dialog_id) == (Role.OWNER, user.id, None)
    assert accounts.me(actor) == shown
    assert accounts.session_is_valid(actor)


def test_an_administrator_is_known_by_its_token(accounts: Accounts) -> None:
    admin = accounts.create_user("root@example.com", PASSWORD, is_admin=True)
    actor = accounts.authenticate(accounts.issue_access(admin))
    assert actor.is_admin


@pytest.mark.parametrize("email", ["anna@example.com", "nobody@example.com", "", "x" * 300, "a\x00@b.c", "' OR 1=1 --"])
def test_a_wrong_login_says_the_same_for_everyone(accounts: Accounts, user: UserView, email: str) -> None:
    for password in ("wrong", "", "x" * 500, "a\x00", "\ud800"):
        with pytest.raises(InvalidCredentials) as refused:
            accounts.login(email, password)
        assert (refused.value.message_ru, refused.value.details) == (InvalidCredentials.ru, {})


def test_a_disabled_user_gets_the_answer_of_a_wrong_password(accounts: Accounts, user: UserView) -> None:
    accounts.set_active(user.id, False)
    with pytest.raises(InvalidCredentials) as refused:
        accounts.login(user.email, PASSWORD)
    assert refused.value.message_ru == InvalidCredentials.ru
    accounts.set_active(user.id, True)
    accounts.login(user.email, PASSWORD)


@pytest.mark.real_hashes
def test_an_unknown_email_takes_as_long_as_a_known_one(accounts: Accounts, user: UserView) -> None:
    def seconds(email: str) -> float:
        begin = time.thread_time()
        with pytest.raises(InvalidCredentials):
            accounts.login(email, "wrong horse")
        return time.thread_time() - begin

    pairs = [(seconds(user.email), seconds("nobody@example.com")) for _ in range(15)]
    assert 0.5 < median(p[0] for p in pairs) / median(p[1] for p in pairs) < 2


@pytest.mark.real_hashes
def test_an_old_hash_is_made_anew_at_the_login(db: Database, accounts: Accounts, user: UserView) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with db.transaction():
        User.update(password_hash=weak).execute()

    actor = accounts.authenticate(accounts.login(user.email, PASSWORD)[0])

    with db.connection():
        assert "m=19456" in User.get_by_id(user.id).password_hash
    assert accounts.session_is_valid(actor)
    accounts.login(user.email, PASSWORD)


def test_a_logout_ends_this_token_and_no_other(accounts: Accounts, user: UserView, news: list[Json]) -> None:
    one, two = (accounts.login(user.email, PASSWORD)[0] for _ in range(2))
    actor = accounts.authenticate(one)

    accounts.logout(one)

    assert news == [{"kind": "token_revoked", "jti": actor.token_id}]
    assert not accounts.session_is_valid(actor)
    for again in (accounts.authenticate, accounts.logout):
        with pytest.raises(NotAuthenticated):
            again(one)
    assert accounts.session_is_valid(accounts.authenticate(two))


def _change_password(accounts: Accounts, actor: Actor) -> None:
    accounts.change_password(actor, PASSWORD, "another horse battery")


def _set_password(accounts: Accounts, actor: Actor) -> None:
    accounts.set_password(actor.user_id or 0, "another horse battery")


def _disable(accounts: Accounts, actor: Actor) -> None:
    accounts.set_active(actor.user_id or 0, False)


def _disable_and_enable(accounts: Accounts, actor: Actor) -> None:
    accounts.set_active(actor.user_id or 0, False)
    accounts.set_active(actor.user_id or 0, True)


def _delete(accounts: Accounts, actor: Actor) -> None:
    accounts.delete_user(actor.user_id or 0)


@pytest.mark.parametrize("end", [_change_password, _set_password, _disable, _disable_and_enable, _delete])
def test_every_session_of_a_user_ends(
    accounts: Accounts, user: UserView, news: list[Json], end: Callable[[Accounts, Actor], None]
) -> None:
    other = accounts.create_user("b@example.com", PASSWORD)
    bystander = accounts.authenticate(accounts.issue_access(other))
    access = [accounts.login(user.email, PASSWORD)[0] for _ in range(2)]
    actors = [accounts.authenticate(token) for token in access]
    ticket = accounts.issue_ticket(actors[0])

    end(accounts, actors[0])

    assert {"kind": "user_revoked", "user_id": user.id} in news
    assert not any(accounts.session_is_valid(actor) for actor in actors)
    for token in access:
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(token)
    with pytest.raises(NotAuthenticated):
        accounts.authenticate_ticket(ticket)
    with pytest.raises(NotAuthenticated):
        accounts.issue_ticket(actors[1])
    assert accounts.session_is_valid(bystander)


def test_a_session_ends_when_the_role_changes(db: Database, accounts: Accounts) -> None:
    admin = accounts.create_user("root@example.com", PASSWORD, is_admin=True)
    actor = accounts.authenticate(accounts.issue_access(admin))
    with db.transaction():
        User.update(is_admin=False).execute()
    assert not accounts.session_is_valid(actor)


def test_disabling_or_deleting_a_user_tells_of_its_assistants(
    db: Database, accounts: Accounts, user: UserView, news: list[Json], clock: MovableClock
) -> None:
    with db.transaction():
        mine = Assistant.create(user=user.id, name="x", ai_model="m", allowed_domains=[], created_at=clock.now()).id
    changed = {"kind": "assistant_changed", "assistant_id": mine}

    accounts.set_active(user.id, False)
    assert changed in news
    news.clear()
    accounts.delete_user(user.id)
    assert changed in news
    with db.connection():
        assert Assistant.select().count() == 0


def test_a_ticket_opens_one_socket_within_a_minute(accounts: Accounts, user: UserView, clock: MovableClock) -> None:
    actor = accounts.authenticate(accounts.login(user.email, PASSWORD)[0])
    used, late = accounts.issue_ticket(actor), accounts.issue_ticket(actor)

    assert accounts.authenticate_ticket(used) == actor
    with pytest.raises(NotAuthenticated):
        accounts.authenticate_ticket(used)
    clock.advance(60)
    with pytest.raises(TokenExpired):
        accounts.authenticate_ticket(late)


def test_a_ticket_ends_with_the_token_that_it_was_made_for(accounts: Accounts, user: UserView) -> None:
    access = accounts.login(user.email, PASSWORD)[0]
    ticket = accounts.issue_ticket(accounts.authenticate(access))
    accounts.logout(access)
    with pytest.raises(NotAuthenticated):
        accounts.authenticate_ticket(ticket)


def test_only_users_get_tickets(accounts: Accounts) -> None:
    for actor in (SYSTEM, Actor(Role.ANONYMOUS), Actor(Role.VISITOR, dialog_id=1), Actor(Role.OWNER, user_id=404)):
        with pytest.raises(NotAuthenticated):
            accounts.issue_ticket(actor)


def test_tokens_of_one_kind_do_not_log_in_as_another(accounts: Accounts, tokens: Tokens, user: UserView) -> None:
    access = accounts.login(user.email, PASSWORD)[0]
    actor = accounts.authenticate(access)
    ticket = accounts.issue_ticket(actor)
    visitor = tokens.issue(TokenKind.VISITOR, str(user.id), 60, ep=actor.token_epoch or "")

    for token in (ticket, visitor):
        with pytest.raises(NotAuthenticated):
            accounts.authenticate(token)
    for token in (access, visitor):
        with pytest.raises(NotAuthenticated):
            accounts.authenticate_ticket(token)


@pytest.mark.parametrize("subject", ["", "x", "-1", "1 OR 1=1", "１", "0", "9" * 18, "²"])
def test_a_token_of_nobody_logs_nobody_in(accounts: Accounts, tokens: Tokens, user: UserView, subject: str) -> None:
    with pytest.raises(NotAuthenticated):
        accounts.authenticate(tokens.issue(TokenKind.ACCESS, subject, 60, ep="x"))
    with pytest.raises(NotAuthenticated):
        accounts.authenticate(tokens.issue(TokenKind.ACCESS, str(user.id), 60))


def test_a_profile_changes_by_what_is_given(accounts: Accounts, user: UserView) -> None:
    actor = accounts.authenticate(accounts.issue_access(user))

    assert accounts.update_profile(actor, last_name="Петрова").last_name == "Петрова"
    shown = accounts.update_profile(actor, first_name="")
    assert (shown.first_name, shown.last_name) == ("", "Петрова")
    assert accounts.update_profile(actor) == shown
    with pytest.raises(ValidationFailed):
        accounts.update_profile(actor, first_name="a\nb")


def test_a_password_changes_only_with_the_one_before(accounts: Accounts, user: UserView) -> None:
    actor = accounts.authenticate(accounts.issue_access(user))
    for current, new, field in (
        ("wrong", "another horse battery", "current_password"),
        (PASSWORD, "12345678", "new_password"),
        (PASSWORD, "short", "new_password"),
    ):
        with pytest.raises(ValidationFailed) as refused:
            accounts.change_password(actor, current, new)
        assert refused.value.details["field"] == field

    accounts.change_password(actor, PASSWORD, "another horse battery")

    with pytest.raises(InvalidCredentials):
        accounts.login(user.email, PASSWORD)
    accounts.login(user.email, "another horse battery")


def test_of_many_password_changes_at_once_one_counts(accounts: Accounts, user: UserView) -> None:
    actor = accounts.authenticate(accounts.issue_access(user))

    def change(number: int) -> str:
        new = f"another horse battery {number}"
        try:
            accounts.change_password(actor, PASSWORD, new)
        except (Conflict, ValidationFailed):
            return ""
        return new

    with ThreadPoolExecutor(6) as pool:
        won = [new for new in pool.map(change, range(6)) if new]
    assert len(won) == 1
    accounts.login(user.email, won[0])


def test_users_are_listed_in_pages(accounts: Accounts) -> None:
    made = [accounts.create_user(f"{n}@example.com", PASSWORD) for n in range(3)]

    assert accounts.list_users() == (made, 3)
    assert accounts.list_users(limit=1, offset=1) == (made[1:2], 3)
    assert accounts.get(made[0].id) == made[0]


def test_nobody_is_not_found(accounts: Accounts, user: UserView) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: accounts.find("nobody@example.com"),
        lambda: accounts.find("a\x00"),
        lambda: accounts.get(user.id + 1),
        lambda: accounts.get(2**63),
        lambda: accounts.get(-1),
        lambda: accounts.set_password(user.id + 1, "another horse battery"),
        lambda: accounts.set_active(user.id + 1, True),
        lambda: accounts.delete_user(user.id + 1),
        lambda: accounts.update_profile(Actor(Role.OWNER, user_id=user.id + 1), first_name="x"),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(NotAuthenticated):
        accounts.me(SYSTEM)
    with pytest.raises(NotAuthenticated):
        accounts.me(Actor(Role.OWNER, user_id=user.id + 1))


def test_the_number_of_a_deleted_user_is_not_given_again(accounts: Accounts, user: UserView) -> None:
    token = accounts.login(user.email, PASSWORD)[0]
    accounts.delete_user(user.id)

    again = accounts.create_user(user.email, PASSWORD)

    assert again.id > user.id
    with pytest.raises(ReplyXError):
        accounts.authenticate(token)
