"""The ledger under movements in any order: a model beside it, and the rules after every step."""

from __future__ import annotations

from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from replyx.billing.ledger import Ledger
from replyx.config.settings import Config
from replyx.errors import Conflict, InsufficientBalance, InvalidAmount
from replyx.storage.accounts import User
from replyx.storage.billing import Hold
from replyx.storage.database import Database
from tests.machines.running import run_machine
from tests.support.clock import MovableClock

AMOUNTS = st.integers(1, 60_00)


class LedgerMachine(RuleBasedStateMachine):
    """Hold, capture, release, credit and expire, of two users who must never touch each other's money."""

    db: Database
    ledger: Ledger
    clock: MovableClock
    numbers = count()

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        with self.db.transaction():
            self.users = [
                int(
                    User.create(
                        email=f"{next(self.numbers)}@example.com",
                        password_hash="-",
                        token_epoch="-",
                        created_at=self.clock.now(),
                    ).id
                )
                for _ in range(2)
            ]
        self.balance = dict.fromkeys(self.users, 0)
        self.spent = dict.fromkeys(self.users, 0)
        #: Open holds: id → user, amount.
        self.open: dict[int, tuple[int, int]] = {}

    @rule(which=st.integers(0, 1), amount=AMOUNTS)
    def credit(self, which: int, amount: int) -> None:
        self.ledger.credit(
            self.users[which], amount, kind="top_up", key=f"payment:{next(self.numbers)}", description="x"
        )
        self.balance[self.users[which]] += amount

    @rule(target=holds, which=st.integers(0, 1), amount=AMOUNTS)
    def hold(self, which: int, amount: int) -> int:
        user = self.users[which]
        try:
            hold = self.ledger.hold(user, amount, f"reply:{next(self.numbers)}")
        except InsufficientBalance:
            assert amount > self.balance[user]
            return 0
        assert amount <= self.balance[user]
        self.balance[user] -= amount
        self.open[hold] = (user, amount)
        return hold

    @rule(hold=holds, amount=st.integers(0, 60_00))
    def capture(self, hold: int, amount: int) -> None:
        try:
            self.ledger.capture(hold, amount, service_type="widget_message", description="x", details=None)
        except Conflict:
            assert hold not in self.open
            return
        except InvalidAmount:
            assert amount > self.open[hold][1]
            return
        user, held = self.open.pop(hold)
        self.spent[user] += amount
        self.balance[user] += held - amount

    @rule(hold=consumes(holds))
    def release(self, hold: int) -> None:
        assert self.ledger.release(hold) == (hold in self.open)
        if hold in self.open:
            user, held = self.open.pop(hold)
            self.balance[user] += held

    @rule(which=st.integers(0, 1))
    def expire(self, which: int) -> None:
        user = self.users[which]
        with self.db.transaction():
            Hold.update(expires_at=self.db.now_ms(-1)).where(Hold.user == user).execute()
        mine = [hold for hold, (owner, _) in self.open.items() if owner == user]
        assert self.ledger.release_expired() == len(mine)
        for hold in mine:
            self.balance[user] += self.open.pop(hold)[1]

    @invariant()
    def every_rule_holds(self) -> None:
        report = self.ledger.verify()
        assert report.ok, report
        for user in self.users:
            view = self.ledger.balance(user)
            mine = sum(owner == user for owner, _ in self.open.values())
            assert (view.balance, view.total_spent, view.pending_transactions) == (
                self.balance[user],
                self.spent[user],
                mine,
            )

    def teardown(self) -> None:
        for hold in list(self.open):
            self.ledger.release(hold)


def test_movements_in_any_order_keep_every_rule(db: Database, clock: MovableClock, config: Config) -> None:
    run_machine(LedgerMachine, examples=6, long=400, db=db, clock=clock, ledger=Ledger(db, clock, config))
