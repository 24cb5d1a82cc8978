"""Many spenders at once: exactly as much is spent as there is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from replyx.billing.ledger import Ledger
from replyx.config.settings import Config
from replyx.errors import Conflict, InsufficientBalance
from replyx.storage.accounts import User
from replyx.storage.database import Database
from tests.support.clock import MovableClock

#: Threads that spend at the same time; each has a connection of its own.
THREADS = 16


def _user(db: Database, clock: MovableClock, ledger: Ledger, balance: int) -> int:
    with db.transaction():
        row = User.create(email="a@example.com", password_hash="-", token_epoch="-", created_at=clock.now())
    ledger.credit(row.id, balance, kind="top_up", key="first", description="x")
    return int(row.id)


def _at_once(work: Callable[[int], int]) -> int:
    """The sum of what `work(n)` answers in all threads, which begin together."""
    gate = Barrier(THREADS)

    def run(number: int) -> int:
        gate.wait(60)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(run, range(THREADS)))


def test_of_a_thousand_debits_on_money_for_a_hundred_exactly_a_hundred_pass(
    db: Database, clock: MovableClock, config: Config
) -> None:
    ledger = Ledger(db, clock, config)
    user = _user(db, clock, ledger, 100 * 5_00)

    def spend(number: int) -> int:
        passed = 0
        # 16 threads share the thousand: eight try 63 times, eight 62.
        for attempt in range(63 if number % 2 else 62):
            try:
                hold = ledger.hold(user, 5_00, f"{number}:{attempt}")
            except InsufficientBalance:
                continue
            ledger.capture(hold, 5_00, service_type="widget_message", description="x", details=None)
            passed += 1
        return passed

    assert _at_once(spend) == 100
    view = ledger.balance(user)
    assert (view.balance, view.total_spent, view.pending_transactions) == (0, 100 * 5_00, 0)
    assert ledger.verify().ok


def test_of_many_who_settle_one_hold_exactly_one_does(db: Database, clock: MovableClock, config: Config) -> None:
    ledger = Ledger(db, clock, config)
    user = _user(db, clock, ledger, 100_00)
    holds = [ledger.hold(user, 5_00, f"reply:{n}") for n in range(10)]

    def settle(number: int) -> int:
        won = 0
        for hold in holds:
            if number % 2:
                won += ledger.release(hold)
                continue
            try:
                ledger.capture(hold, 5_00, service_type="widget_message", description="x", details=None)
                won += 1
            except Conflict:
                continue
        return won

    assert _at_once(settle) == len(holds)
    view = ledger.balance(user)
    assert view.balance + view.total_spent == 100_00
    assert ledger.verify().ok


def test_of_many_equal_credits_and_holds_one_comes(db: Database, clock: MovableClock, config: Config) -> None:
    ledger = Ledger(db, clock, config)
    user = _user(db, clock, ledger, 100_00)

    def repeat(number: int) -> int:
        came = 0
        for action in (
            lambda: ledger.credit(user, 1_00, kind="top_up", key="payment:1", description="x"),
            lambda: ledger.hold(user, 2_00, "reply:1"),
        ):
            try:
                action()
                came += 1
            except Conflict:
                continue
        return came

    assert _at_once(repeat) == 2
    assert ledger.balance(user).balance == 99_00
    assert ledger.verify().ok
