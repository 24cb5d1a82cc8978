"""People's sessions: which token opens anything, after logins, logouts, changes of password, locks and time."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from replyx.accounts.accounts import Accounts
from replyx.accounts.tokens import BELIEVED_SECONDS, Tokens
from replyx.config.settings import Config
from replyx.errors import InvalidCredentials, NotAuthenticated, ValidationFailed
from replyx.events.bus import Bus
from replyx.events.memory import MemoryBus
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from tests.machines.running import run_machine
from tests.support.clock import MovableClock

WHICH = st.integers(0, 9)
KEY = b"k" * 32


@dataclass
class Person:
    """A user as it should be; `era` changes with whatever ends all of its sessions."""

    id: int
    email: str
    password: str
    owner: Person | None = None
    era: int = 0
    is_active: bool = True

    @property
    def may_enter(self) -> bool:
        return self.is_active and (self.owner is None or self.owner.is_active)


@dataclass
class Token:
    """A token as it should be: `parent` is the access token that a ticket was made for."""

    text: str
    kind: Literal["access", "ticket"]
    person: Person
    era: int
    ends: float
    parent: Token | None = None
    is_spent: bool = field(default=False)

    def opens(self, now: float) -> bool:
        alive = self.person.may_enter and self.era == self.person.era and now < self.ends
        return alive and not self.is_spent and (self.parent is None or not self.parent.is_spent)


class SessionsMachine(RuleBasedStateMachine):
    """An owner, its operator and a stranger; a second process that hears nothing of the first."""

    db: Database
    clock: MovableClock
    accounts: Accounts
    elsewhere: Accounts
    minutes: int
    numbers = count(1)

    @initialize()
    def register(self) -> None:
        self.people: list[Person] = []
        self.tokens: list[Token] = []
        owner = self._person(None)
        self._person(owner)
        self._person(None)

    @rule(which=WHICH, is_right=st.booleans())
    def log_in(self, which: int, is_right: bool) -> None:
        person = self.people[which % len(self.people)]
        password = person.password if is_right else f"{person.password}x"
        if not is_right or not person.may_enter:
            with pytest.raises(InvalidCredentials):
                self.accounts.login(person.email.upper(), password)
            return
        token, view = self.accounts.login(person.email.upper(), password)
        assert view.id == person.id
        self.tokens.append(Token(token, "access", person, person.era, self.clock.monotonic() + self.minutes * 60))

    @precondition(lambda self: self.tokens)
    @rule(which=WHICH)
    def make_ticket(self, which: int) -> None:
        parent = self.tokens[which % len(self.tokens)]
        if parent.kind != "access" or not parent.opens(self.clock.monotonic()):
            return
        ticket = self.accounts.issue_ticket(self.accounts.authenticate(parent.text))
        ends = self.clock.monotonic() + 60
        self.tokens.append(Token(ticket, "ticket", parent.person, parent.era, ends, parent))

    @precondition(lambda self: any(token.kind == "ticket" for token in self.tokens))
    @rule(which=WHICH)
    def redeem(self, which: int) -> None:
        tickets = [token for token in self.tokens if token.kind == "ticket"]
        ticket = tickets[which % len(tickets)]
        if not ticket.opens(self.clock.monotonic()):
            with pytest.raises(NotAuthenticated):
                self.accounts.authenticate_ticket(ticket.text)
            return
        actor = self.accounts.authenticate_ticket(ticket.text)
        assert actor.user_id == ticket.person.id
        ticket.is_spent = True

    @precondition(lambda self: self.tokens)
    @rule(which=WHICH)
    def log_out(self, which: int) -> None:
        token = self.tokens[which % len(self.tokens)]
        if token.kind == "ticket" or not token.opens(self.clock.monotonic()):
            # A ticket is no access token; of those, one is logged out as long as it is signed, in time and not revoked.
            if token.kind == "ticket":
                with pytest.raises(NotAuthenticated):
                    self.accounts.logout(token.text)
            return
        self.accounts.logout(token.text)
        token.is_spent = True

    @rule(which=WHICH, is_right=st.booleans())
    def change_password(self, which: int, is_right: bool) -> None:
        person = self.people[which % len(self.people)]
        opening = [t for t in self.tokens if t.person is person and t.kind == "access" and self._opens(t)]
        if not opening:
            return
        actor, new = self.accounts.authenticate(opening[0].text), f"correct-horse-{next(self.numbers)}"
        if not is_right:
            with pytest.raises(ValidationFailed):
                self.accounts.change_password(actor, f"{person.password}x", new)
            return
        self.accounts.change_password(actor, person.password, new)
        person.password, person.era = new, person.era + 1

    @rule(which=WHICH, active=st.booleans())
    def lock(self, which: int, active: bool) -> None:
        person = self.people[which % len(self.people)]
        self.accounts.set_active(person.id, active)
        for one in self.people:
            if one is person or one.owner is person:
                one.era += 1
        person.is_active = active

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        """Whoever is deleted takes its operators along; another person comes in its place."""
        person = self.people[which % len(self.people)]
        if person.owner is not None:
            return
        self.accounts.delete_user(person.id)
        gone = [one for one in self.people if one is person or one.owner is person]
        for one in gone:
            one.era += 1
            self.people.remove(one)
        owner = self._person(None)
        if len(gone) > 1:
            self._person(owner)

    @rule(seconds=st.sampled_from([30, 61, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def what_should_open_opens_and_nothing_else(self) -> None:
        for token in getattr(self, "tokens", []):
            if token.kind == "access":
                assert _opens(self.accounts, token.text) == self._opens(token)
            else:
                assert not _opens(self.accounts, token.text)

    @rule()
    def another_process_is_asked(self) -> None:
        """It believes for a second what it saw last; then it knows."""
        self.clock.advance(BELIEVED_SECONDS)
        for token in self.tokens:
            if token.kind == "access":
                assert _opens(self.elsewhere, token.text) == self._opens(token)

    def _opens(self, token: Token) -> bool:
        return token.opens(self.clock.monotonic())

    def _person(self, owner: Person | None) -> Person:
        number = next(self.numbers)
        email, password = f"person{number}@example.com", f"correct-horse-{number}"
        new = self.accounts.prepare(email, password, owner_id=owner.id if owner else None)
        person = Person(self.accounts.add(new).id, email, password, owner)
        self.people.append(person)
        return person


def _opens(accounts: Accounts, token: str) -> bool:
    try:
        accounts.authenticate(token)
    except NotAuthenticated:
        return False
    return True


def test_what_opens_is_what_should_whatever_happened_before(
    db: Database, bus: Bus, clock: MovableClock, config: Config
) -> None:
    silent = MemoryBus()
    accounts, elsewhere = (
        Accounts(db, one, clock, Tokens(db, one, clock, KEY), config, SecretBox(KEY)) for one in (bus, silent)
    )
    run_machine(
        SessionsMachine,
        examples=5,
        long=200,
        steps=15,
        db=db,
        clock=clock,
        accounts=accounts,
        elsewhere=elsewhere,
        minutes=config.security.access_token_minutes,
    )
    silent.close()
