"""Registration: the welcome bonus comes once for an e-mail, for ever; no request can make an administrator."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from replyx.accounts.accounts import Accounts
from replyx.accounts.tokens import Tokens
from replyx.billing.ledger import Ledger
from replyx.billing.registration import Registration
from replyx.billing.verification import Verification
from replyx.config.settings import Config
from replyx.errors import Conflict, InsufficientPermissions, InvalidAmount, ValidationFailed
from replyx.events.memory import MemoryBus
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from tests.conftest import Configure
from tests.support.clock import MovableClock

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Desk:
    accounts: Accounts
    ledger: Ledger
    registration: Registration


def _desk(db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Desk:
    key = bytes(range(32))
    tokens = Tokens(db, bus, clock, key)
    accounts = Accounts(db, bus, clock, tokens, config, SecretBox(key))
    ledger = Ledger(db, clock, config)
    verification = Verification(db, accounts, ledger, tokens, config, clock)
    return Desk(accounts, ledger, Registration(db, accounts, ledger, verification, config))


@pytest.fixture
def desk(db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Desk:
    return _desk(db, bus, clock, config)


def test_a_new_user_has_the_welcome_bonus(desk: Desk) -> None:
    user = desk.registration.sign_up("a@example.com", PASSWORD, "John", "Doe")

    assert (user.balance, user.welcome_bonus, user.is_admin) == (500_00, 500_00, False)
    assert (user.first_name, user.last_name) == ("John", "Doe")
    balance = desk.ledger.balance(user.id)
    assert (balance.balance, balance.welcome_bonus, balance.total_spent) == (500_00, 500_00, 0)
    (row,), total = desk.ledger.transactions(user.id)
    assert (row.type, row.amount, total) == ("credit", 500_00, 1)
    assert row.as_json("en")["description"] == "Welcome bonus"
    assert desk.ledger.verify().ok


def test_the_bonus_does_not_come_again_after_a_deletion(desk: Desk) -> None:
    first = desk.registration.register("a@example.com", PASSWORD)
    desk.accounts.delete_user(first.id)

    again = desk.registration.register("A@Example.com", PASSWORD)

    assert (again.balance, again.welcome_bonus) == (0, 0)
    assert desk.ledger.transactions(again.id) == ([], 0)
    assert desk.ledger.verify().ok


def test_a_taken_email_gives_nothing_to_anyone(desk: Desk) -> None:
    user = desk.registration.register("a@example.com", PASSWORD)
    with pytest.raises(Conflict):
        desk.registration.register("A@example.com", PASSWORD)
    assert desk.accounts.list_users() == ([user], 1)
    assert desk.ledger.verify().ok


def test_of_many_registrations_at_once_one_gets_the_bonus(desk: Desk) -> None:
    def register(_: int) -> int:
        try:
            return desk.registration.register("a@example.com", PASSWORD).balance
        except Conflict:
            return 0

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(register, range(12))) == 500_00
    users, total = desk.accounts.list_users()
    assert (total, users[0].is_admin) == (1, False)
    assert desk.ledger.verify().ok


def test_an_opening_balance_stands_in_for_the_bonus(desk: Desk) -> None:
    rich = desk.registration.register("a@example.com", PASSWORD, is_admin=True, opening_balance=1_000_00)
    poor = desk.registration.register("b@example.com", PASSWORD, opening_balance=0)

    assert (rich.balance, rich.welcome_bonus, rich.is_admin) == (1_000_00, 0, True)
    assert (poor.balance, poor.welcome_bonus) == (0, 0)
    assert desk.ledger.transactions(rich.id)[0][0].as_json("en")["description"] == "Opening balance"
    assert desk.ledger.verify().ok


def test_an_impossible_opening_balance_makes_no_user(desk: Desk) -> None:
    with pytest.raises(InvalidAmount):
        desk.registration.register("a@example.com", PASSWORD, opening_balance=-1)
    with pytest.raises(ValidationFailed):
        desk.registration.register("a@example.com", "12345678")
    assert desk.accounts.list_users() == ([], 0)


def test_a_bonus_of_nothing_is_no_transfer(
    db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure
) -> None:
    desk = _desk(db, bus, clock, configure(REPLYX_ACCOUNTS__WELCOME_BONUS="0"))
    user = desk.registration.register("a@example.com", PASSWORD)
    assert (user.balance, desk.ledger.transactions(user.id)) == (0, ([], 0))


def test_closed_registration_is_closed_to_strangers_only(
    db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure
) -> None:
    desk = _desk(db, bus, clock, configure(REPLYX_ACCOUNTS__REGISTRATION="false"))
    with pytest.raises(InsufficientPermissions):
        desk.registration.sign_up("a@example.com", PASSWORD)
    assert desk.registration.register("a@example.com", PASSWORD).balance == 500_00


def test_a_stranger_cannot_ask_to_be_an_administrator() -> None:
    assert set(inspect.signature(Registration.sign_up).parameters) == {
        "self", "email", "password", "first_name", "last_name", "language", "link_base",
    }  # fmt: skip
