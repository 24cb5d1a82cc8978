"""The ledger's rules, one by one, on both databases."""

from __future__ import annotations

import pytest

from replyx.billing.ledger import Ledger
from replyx.config.settings import Config
from replyx.errors import Conflict, InsufficientBalance, InvalidAmount, NotFound
from replyx.storage.accounts import User
from replyx.storage.billing import Hold, LedgerEntry, LedgerTransfer
from replyx.storage.database import Database
from tests.support.clock import MovableClock


@pytest.fixture
def ledger(db: Database, clock: MovableClock, config: Config) -> Ledger:
    return Ledger(db, clock, config)


@pytest.fixture
def user(db: Database, clock: MovableClock, ledger: Ledger) -> int:
    """A user with 100.00."""
    with db.transaction():
        row = User.create(email="a@example.com", password_hash="-", token_epoch="-", created_at=clock.now())
    ledger.credit(row.id, 100_00, kind="top_up", key="first", description="Пополнение баланса")
    return int(row.id)


def _capture(ledger: Ledger, hold: int, amount: int) -> None:
    ledger.capture(
        hold, amount, service_type="widget_message", description="Сообщение виджета", details={"dialog_id": 1}
    )


def test_a_hold_sets_money_aside_and_a_capture_spends_it(ledger: Ledger, user: int) -> None:
    hold = ledger.hold(user, 5_00, "reply:1:1")
    assert ledger.balance(user).balance == 95_00
    assert ledger.balance(user).pending_transactions == 1

    _capture(ledger, hold, 5_00)

    view = ledger.balance(user)
    assert (view.balance, view.total_spent, view.pending_transactions) == (95_00, 5_00, 0)
    assert view.as_json() == {
        "balance": 95.0,
        "welcome_bonus": 0.0,
        "total_spent": 5.0,
        "pending_transactions": 0,
        "low_balance": False,
        "currency": "RUB",
    }
    assert ledger.verify().ok


def test_a_capture_gives_back_what_was_not_used(ledger: Ledger, user: int) -> None:
    _capture(ledger, ledger.hold(user, 5_00, "reply:1:1"), 1_23)

    assert ledger.balance(user).balance == 98_77
    assert ledger.balance(user).total_spent == 1_23
    assert ledger.verify().ok


def test_a_capture_of_nothing_gives_everything_back_and_is_not_on_the_statement(ledger: Ledger, user: int) -> None:
    _capture(ledger, ledger.hold(user, 5_00, "reply:1:1"), 0)

    assert ledger.balance(user).balance == 100_00
    assert ledger.transactions(user, kind="debit") == ([], 0)
    assert ledger.verify().ok


def test_a_hold_is_settled_once(ledger: Ledger, user: int) -> None:
    captured, released = ledger.hold(user, 5_00, "one"), ledger.hold(user, 5_00, "two")
    _capture(ledger, captured, 5_00)
    assert ledger.release(released)

    with pytest.raises(Conflict):
        _capture(ledger, captured, 5_00)
    with pytest.raises(Conflict):
        _capture(ledger, released, 5_00)
    assert not ledger.release(captured)
    assert not ledger.release(released)
    assert not ledger.release(10_000)
    assert ledger.balance(user).balance == 95_00
    assert ledger.verify().ok


def test_nobody_can_set_aside_more_than_there_is(ledger: Ledger, user: int) -> None:
    with pytest.raises(InsufficientBalance):
        ledger.hold(user, 100_01, "too much")
    ledger.hold(user, 100_00, "all")
    with pytest.raises(InsufficientBalance):
        ledger.hold(user, 1, "one kopeck more")
    with pytest.raises(InsufficientBalance):
        ledger.hold(user + 1, 1, "nobody")
    assert ledger.verify().ok


def test_a_capture_over_the_hold_changes_nothing(ledger: Ledger, user: int) -> None:
    hold = ledger.hold(user, 5_00, "one")

    for amount in (5_01, -1):
        with pytest.raises(InvalidAmount):
            _capture(ledger, hold, amount)

    assert ledger.balance(user).pending_transactions == 1
    _capture(ledger, hold, 5_00)
    assert ledger.verify().ok


@pytest.mark.parametrize("amount", [0, -1, 2**63, 1_000_000_001, True, 1.5])
def test_sums_that_cannot_be_are_refused(ledger: Ledger, user: int, amount: int) -> None:
    with pytest.raises(InvalidAmount):
        ledger.hold(user, amount, "key")
    with pytest.raises(InvalidAmount):
        ledger.credit(user, amount, kind="credit", key="key", description="x")
    assert ledger.balance(user).balance == 100_00


def test_a_key_holds_once_while_open_and_never_again_after_a_capture(ledger: Ledger, user: int) -> None:
    first = ledger.hold(user, 5_00, "reply:1")
    with pytest.raises(Conflict):
        ledger.hold(user, 5_00, "reply:1")
    assert ledger.balance(user).balance == 95_00

    ledger.release(first)
    second = ledger.hold(user, 5_00, "reply:1")
    assert second != first
    with pytest.raises(Conflict):
        _capture(ledger, first, 5_00)
    _capture(ledger, second, 5_00)

    with pytest.raises(Conflict):
        ledger.hold(user, 5_00, "reply:1")
    assert ledger.verify().ok


def test_a_credit_comes_once_for_its_key(ledger: Ledger, user: int) -> None:
    ledger.credit(user, 10_00, kind="top_up", key="payment:7", description="Пополнение баланса")
    with pytest.raises(Conflict):
        ledger.credit(user, 10_00, kind="top_up", key="payment:7", description="Пополнение баланса")

    assert ledger.balance(user).balance == 110_00
    assert ledger.verify().ok


def test_a_credit_for_nobody_is_refused(ledger: Ledger, user: int) -> None:
    with pytest.raises(NotFound):
        ledger.credit(user + 1, 1_00, kind="credit", key="x", description="x")
    with pytest.raises(NotFound):
        ledger.balance(user + 1)


def test_what_the_caller_undoes_is_undone_in_the_ledger(db: Database, ledger: Ledger, user: int) -> None:
    hold = ledger.hold(user, 5_00, "one")

    def spend_and_fail() -> None:
        with db.transaction():
            _capture(ledger, hold, 5_00)
            ledger.hold(user, 5_00, "two")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        spend_and_fail()

    assert ledger.balance(user).pending_transactions == 1
    assert ledger.balance(user).total_spent == 0
    with db.transaction():
        # A refusal inside the caller's transaction undoes itself only.
        with pytest.raises(InsufficientBalance):
            ledger.hold(user, 100_00, "two")
        with pytest.raises(Conflict):
            ledger.credit(user, 1_00, kind="top_up", key="first", description="again")
        with pytest.raises(Conflict):
            ledger.hold(user, 1_00, "one")
        _capture(ledger, hold, 5_00)
    assert ledger.balance(user).total_spent == 5_00
    assert ledger.verify().ok


def test_forgotten_holds_are_given_back(db: Database, ledger: Ledger, user: int) -> None:
    forgotten = [ledger.hold(user, 10, f"reply:{n}") for n in range(120)]
    fresh = ledger.hold(user, 5_00, "fresh")
    with db.transaction():
        Hold.update(expires_at=db.now_ms(-1)).where(Hold.id.in_(forgotten)).execute()

    assert ledger.release_expired() == 120
    assert ledger.release_expired() == 0

    assert ledger.balance(user).balance == 95_00
    _capture(ledger, fresh, 5_00)
    assert ledger.verify().ok


def test_a_statement_shows_captures_and_credits_newest_first(ledger: Ledger, user: int, clock: MovableClock) -> None:
    clock.advance(60)
    hold = ledger.hold(user, 5_00, "one")
    ledger.capture(
        hold,
        5_00,
        service_type="widget_message",
        description="Сообщение виджета",
        details={"dialog_id": 1, "message_count": 2},
    )
    ledger.release(ledger.hold(user, 5_00, "two"))

    rows, total = ledger.transactions(user)

    assert total == 2
    debit = rows[0].as_json()
    assert debit.pop("id") > rows[1].id
    assert debit == {
        "type": "debit",
        "amount": -5.0,
        "description": "Сообщение виджета",
        "service_type": "widget_message",
        "details": {"dialog_id": 1, "message_count": 2},
        "created_at": "2025-09-01T10:01:00Z",
    }
    credit = rows[1].as_json("en")
    assert credit.pop("id") == rows[1].id
    assert credit == {
        "type": "credit",
        "amount": 100.0,
        "description": "Balance top-up",
        "created_at": "2025-09-01T10:00:00Z",
    }
    assert ledger.transactions(user, kind="debit") == (rows[:1], 1)
    assert ledger.transactions(user, kind="credit") == (rows[1:], 1)
    assert ledger.transactions(user, limit=1, offset=1) == (rows[1:], 2)
    assert ledger.transactions(user + 1) == ([], 0)


def test_the_ledger_refuses_to_be_changed(db: Database, ledger: Ledger, user: int) -> None:
    for query in (
        LedgerEntry.update(amount=1),
        LedgerEntry.delete(),
        LedgerTransfer.update(amount=1),
        LedgerTransfer.delete(),
    ):
        with pytest.raises(Conflict), db.transaction():
            query.execute()
    assert ledger.balance(user).balance == 100_00
    assert ledger.verify().ok


def test_the_database_refuses_a_negative_balance(db: Database, ledger: Ledger, user: int) -> None:
    with pytest.raises(Conflict), db.transaction():
        User.update(balance=-1).where(User.id == user).execute()
    assert ledger.verify().ok


def test_a_check_finds_what_is_wrong(db: Database, ledger: Ledger, user: int) -> None:
    with db.transaction():
        User.update(balance=User.balance + 1).where(User.id == user).execute()
        transfer = LedgerTransfer.create(
            key="odd", kind="credit", user_id=user, amount=5, description="odd", created_at=0
        )
        LedgerEntry.create(transfer=transfer, account="revenue", amount=5)
        uneven = LedgerTransfer.create(
            key="uneven", kind="credit", user_id=user, amount=5, description="odd", created_at=0
        )
        for amount in (-5, 6):
            LedgerEntry.create(transfer=uneven, account="revenue", amount=amount)

    report = ledger.verify()

    assert not report.ok
    assert report.sum_of_entries == 6
    assert report.unbalanced_transfers == (transfer.id, uneven.id)
    assert report.mismatched_users == (user,)
    assert report.as_json()["ok"] is False


def test_the_ledger_outlives_a_user_and_its_number_is_not_given_again(
    db: Database, ledger: Ledger, user: int, clock: MovableClock
) -> None:
    hold = ledger.hold(user, 5_00, "one")
    with db.transaction():
        User.delete().where(User.id == user).execute()

    with pytest.raises(Conflict):
        _capture(ledger, hold, 5_00)
    assert not ledger.release(hold)
    with db.transaction():
        row = User.create(email="b@example.com", password_hash="-", token_epoch="-", created_at=clock.now())
    assert row.id > user
    ledger.credit(row.id, 5_00, kind="credit", key="second", description="x")
    assert ledger.hold(row.id, 5_00, "one") > hold
    assert ledger.transactions(row.id, kind="debit") == ([], 0)
    assert ledger.verify().ok
