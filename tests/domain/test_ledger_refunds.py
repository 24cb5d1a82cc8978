"""Money that leaves the books again, keys that may not stand, and a held sum that is not there."""

from __future__ import annotations

import pytest

from replyx.billing.ledger import Ledger
from replyx.config.settings import Config
from replyx.errors import Conflict
from replyx.storage.accounts import User
from replyx.storage.billing import Hold, LedgerEntry
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
    ledger.credit(row.id, 100_00, kind="top_up", key="first", description="x")
    return int(row.id)


def test_a_refund_takes_all_of_its_hold_out_of_the_books_once(db: Database, ledger: Ledger, user: int) -> None:
    hold = ledger.hold(user, 30_00, "refund:1")

    ledger.refund(hold, key="refund:1:done", description="Возврат")
    with pytest.raises(Conflict):
        ledger.refund(hold, key="refund:1:again", description="Возврат")

    view = ledger.balance(user)
    assert (view.balance, view.total_spent, view.pending_transactions) == (70_00, 0, 0)
    with db.connection():
        provider = [row.amount for row in LedgerEntry.select().where(LedgerEntry.account == "provider")]
    assert provider == [-100_00, 30_00]
    assert ledger.verify().ok
    assert not ledger.release(hold)
    with pytest.raises(Conflict):
        ledger.hold(user, 30_00, "refund:1")


@pytest.mark.parametrize("key", ["", "k" * 161])
def test_a_key_has_1_to_160_characters(ledger: Ledger, user: int, key: str) -> None:
    with pytest.raises(ValueError, match="1 to 160"):
        ledger.hold(user, 1, key)
    with pytest.raises(ValueError, match="1 to 160"):
        ledger.credit(user, 1, kind="credit", key=key, description="x")

    longest = ledger.hold(user, 1, "k" * 160)
    assert ledger.release(longest)
    ledger.credit(user, 1, kind="credit", key="k", description="x" * 500)
    rows, _ = ledger.transactions(user, kind="credit")
    assert rows[0].description == "x" * 200


def test_where_the_held_sum_is_not_there_nothing_is_settled(db: Database, ledger: Ledger, user: int) -> None:
    hold = ledger.hold(user, 30_00, "reply:1")
    with db.transaction():
        User.update(held=29_99).where(User.id == user).execute()

    with pytest.raises(Conflict):
        ledger.capture(hold, 30_00, service_type="widget_message", description="x", details=None)

    with db.connection():
        assert Hold.get_by_id(hold).state == "open"
        assert User.get_by_id(user).balance == 70_00
    assert ledger.verify().mismatched_users == (user,)


def test_what_an_assistant_has_cost_is_its_own_and_since_a_moment(
    ledger: Ledger, user: int, clock: MovableClock
) -> None:
    def pay(assistant: int, amount: int) -> None:
        hold = ledger.hold(user, 10_00, f"reply:{assistant}:{amount}")
        ledger.capture(
            hold, amount, service_type="widget_message", description="x", details=None, assistant_id=assistant
        )

    pay(1, 3)
    clock.advance(1)
    moment = clock.now()
    pay(1, 5)
    pay(2, 7)
    ledger.hold(user, 10_00, "under way")

    assert [ledger.spent_since(assistant, moment) for assistant in (1, 2, 3)] == [5, 7, 0]
    clock.advance(1)
    assert ledger.spent_since(1, clock.now()) == 0
