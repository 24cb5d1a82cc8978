"""How long a login lasts: while it is refreshed, and never beyond its end; and one logout for all that came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from replyx.accounts.accounts import Accounts
from replyx.accounts.tokens import BELIEVED_SECONDS, Tokens
from replyx.errors import NotAuthenticated, TokenExpired
from replyx.events.catalogue import CONTROL
from replyx.events.memory import MemoryBus
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.types import Actor, Json, Role
from tests.conftest import Configure
from tests.support.clock import MovableClock

_PASSWORD = "correct horse battery"

#: Logs in; answers an access token.
LogIn = Callable[[], str]


@pytest.fixture
def accounts(db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure) -> Accounts:
    config = configure(REPLYX_SECURITY__ACCESS_TOKEN_MINUTES="60", REPLYX_SECURITY__SESSION_DAYS="2")
    key = bytes(range(32))
    made = Accounts(db, bus, clock, Tokens(db, bus, clock, key), config, SecretBox(key))
    made.create_user("anna@example.com", _PASSWORD)
    return made


@pytest.fixture
def log_in(accounts: Accounts) -> LogIn:
    return lambda: accounts.login("anna@example.com", _PASSWORD)[0]


def test_a_session_that_is_not_refreshed_ends(accounts: Accounts, log_in: LogIn, clock: MovableClock) -> None:
    token = log_in()
    clock.advance(59 * 60)
    accounts.authenticate(token)

    clock.advance(60)

    for use in (accounts.authenticate, accounts.refresh):
        with pytest.raises(TokenExpired):
            use(token)


def test_a_session_that_is_refreshed_ends_for_good_after_its_days(
    accounts: Accounts, log_in: LogIn, clock: MovableClock
) -> None:
    token, began, refreshed = log_in(), clock.now(), 0
    with pytest.raises(TokenExpired):
        while True:
            clock.advance(50 * 60)
            token = accounts.refresh(token)[0]
            refreshed += 1

    lasted = clock.now() - began
    assert refreshed == 57
    assert timedelta(days=2) <= lasted <= timedelta(days=2, minutes=50)
    with pytest.raises(TokenExpired):
        accounts.authenticate(token)
    accounts.authenticate(log_in())


def test_whoever_is_proven_ends_with_the_token_or_with_the_one_that_the_ticket_was_made_for(
    accounts: Accounts, log_in: LogIn, clock: MovableClock
) -> None:
    actor, began = accounts.authenticate(log_in()), clock.now()
    clock.advance(600)

    by_ticket = accounts.authenticate_ticket(accounts.issue_ticket(actor))
    by_no_token = accounts.authenticate_ticket(accounts.issue_ticket(Actor(Role.OWNER, user_id=actor.user_id)))

    assert actor.ends_at == by_ticket.ends_at == began + timedelta(minutes=60)
    assert by_no_token.ends_at is None


def test_a_refresh_tells_every_process_when_the_session_ends_now(
    accounts: Accounts, log_in: LogIn, clock: MovableClock, bus: MemoryBus
) -> None:
    token, news = log_in(), list[Json]()
    bus.subscribe(CONTROL, news.append)
    clock.advance(600)

    fresh = accounts.refresh(token)[0]

    actor = accounts.authenticate(fresh)
    ends = clock.now() + timedelta(minutes=60)
    assert news == [{"kind": "session_extended", "jti": actor.token_id, "until": int(ends.timestamp())}]
    assert actor.ends_at == ends


def test_a_logout_ends_every_token_of_its_session_and_no_other(
    accounts: Accounts, log_in: LogIn, clock: MovableClock
) -> None:
    first, other = log_in(), log_in()
    second = accounts.refresh(first)[0]
    third = accounts.refresh(second)[0]
    actor = accounts.authenticate(first)
    ticket = accounts.issue_ticket(actor)

    accounts.logout(second)
    clock.advance(BELIEVED_SECONDS)

    for token in (first, second, third):
        for use in (accounts.authenticate, accounts.refresh):
            with pytest.raises(NotAuthenticated):
                use(token)
    with pytest.raises(NotAuthenticated):
        accounts.authenticate_ticket(ticket)
    assert not accounts.session_is_valid(actor)
    accounts.authenticate(other)


def test_what_was_logged_out_is_remembered_until_its_session_would_have_ended(
    accounts: Accounts, log_in: LogIn, clock: MovableClock
) -> None:
    first = log_in()
    clock.advance(30 * 60)
    second = accounts.refresh(first)[0]
    accounts.logout(first)

    clock.advance(55 * 60)
    accounts._tokens.purge_expired()

    with pytest.raises(NotAuthenticated, match="Logged out"):
        accounts.authenticate(second)


def test_in_the_last_second_of_a_session_its_token_works_and_gets_no_successor(
    accounts: Accounts, log_in: LogIn, clock: MovableClock
) -> None:
    token = log_in()
    for _ in range(48):
        clock.advance(59 * 60)
        token = accounts.refresh(token)[0]
    clock.advance(48 * 60 - 0.5)

    accounts.authenticate(token)
    with pytest.raises(TokenExpired):
        accounts.refresh(token)
