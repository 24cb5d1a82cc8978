"""A dialog between a customer, workers that die or wake late, and operators: who may speak, what is paid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from replyx.dialogs.claims import Claim
from replyx.dialogs.drafting import Draft
from replyx.errors import Conflict
from replyx.storage.billing import Hold
from replyx.storage.dialogs import Reply
from replyx.types import Actor, EngineName, HandoffReason, Outcome, Role
from tests.machines.running import run_machine
from tests.support.desk import Desk

PRICE, ATTEMPTS = 500, 5


@dataclass
class Owed:
    """The open reply as it should be."""

    id: int
    upto: int
    fence: int = 0
    attempts: int = 0
    is_working: bool = False


class DialogMachine(RuleBasedStateMachine):
    """One dialog; claims of workers are kept and used at any later time, as a worker that was stopped would."""

    desk: Desk
    operators: tuple[Actor, Actor]
    numbers = count(1)

    @initialize()
    def open_dialog(self) -> None:
        self.dialog = self.desk.open_dialog()
        #: Types of the events, as they should be; messages with their sender.
        self.events: list[str] = []
        self.handoff = "none"
        self.holder: int | None = None
        self.owed: Owed | None = None
        self.claims: list[Claim] = []
        self.answered = 0
        self.keys: list[tuple[str, int]] = []
        self.start = self.desk.money()[0]

    @rule()
    def say(self) -> None:
        key = f"key-{next(self.numbers)}"
        receipt = self.desk.say(self.dialog, "Сколько стоит доставка?", key)
        self.events.append("user")
        seq = len(self.events)
        assert (receipt.message.seq, receipt.duplicate) == (seq, False)
        self.keys.append((key, seq))
        if self.handoff == "active":
            assert receipt.reply_id is None
        elif self.owed is None:
            assert receipt.reply_id is not None
            self.owed = Owed(receipt.reply_id, seq)
        else:
            assert receipt.reply_id == self.owed.id
            self.owed.upto = seq

    @precondition(lambda self: self.keys)
    @rule(which=st.integers(0, 9))
    def say_again(self, which: int) -> None:
        key, seq = self.keys[which % len(self.keys)]
        receipt = self.desk.say(self.dialog, "Сколько стоит доставка?", key)
        assert (receipt.message.seq, receipt.duplicate) == (seq, True)
        assert receipt.reply_id == (self.owed.id if self.owed else None)

    @rule()
    def ask_for_a_person(self) -> None:
        receipt = self.desk.say(self.dialog, "Позовите оператора")
        self.events.append("user")
        assert receipt.reply_id is None
        self._request()

    @precondition(lambda self: self.owed)
    @rule()
    def claim(self) -> None:
        """A worker begins. Nobody else may while it works; the sixth try is not made."""
        owed = self.owed
        assert owed is not None
        claim = self.desk.app.answering._claim(owed.id)
        if owed.is_working:
            assert claim is None
            return
        owed.fence, owed.attempts = owed.fence + 1, owed.attempts + 1
        if owed.attempts > ATTEMPTS:
            assert claim is None
            self._apologise()
            return
        assert claim is not None
        assert (claim.fence, claim.attempt, claim.upto_seq) == (owed.fence, owed.attempts, owed.upto)
        owed.is_working = True
        self.claims.append(claim)
        # Nobody renews the lease here, and on a busy machine some steps take longer than it lasts.
        self._lease_until(self.desk.app.db.now_ms(3600))

    @precondition(lambda self: self.owed and self.owed.is_working)
    @rule()
    def worker_is_thought_dead(self) -> None:
        assert self.owed is not None
        self._lease_until(0)
        self.owed.is_working = False

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 9), is_paid=st.booleans())
    def finish(self, which: int, is_paid: bool) -> None:
        claim = self.claims.pop(which % len(self.claims))
        draft = Draft("Ответ.", Outcome.ANSWERED, EngineName.REMOTE, is_paid=is_paid)
        message, newer = self.desk.app.answering._commit(claim, draft, claim.upto_seq, may_restart=False)
        assert newer is None
        if not self._holds(claim):
            assert message is None
            return
        assert message is not None
        assert self.owed is not None
        self.events.append("assistant")
        self.answered += is_paid
        rest = self.owed.upto > claim.upto_seq
        upto, self.owed = self.owed.upto, None
        if rest:
            self.owed = Owed(_open_reply(self.desk, self.dialog), upto)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 9))
    def fail(self, which: int) -> None:
        claim = self.claims.pop(which % len(self.claims))
        self.desk.app.answering._failed(claim, "the model fell silent", retryable=True)
        if not self._holds(claim):
            return
        assert self.owed is not None
        self.owed.is_working = False
        if claim.attempt >= ATTEMPTS:
            self._apologise()

    @rule(which=st.integers(0, 1))
    def take(self, which: int) -> None:
        actor = self.operators[which]
        if self.handoff == "active" and self.holder != actor.user_id:
            with pytest.raises(Conflict):
                self.desk.app.handoffs.take(actor, self.dialog)
            return
        self.desk.app.handoffs.take(actor, self.dialog)
        if self.handoff != "active":
            self.events += ["handoff_started", "operator"]
            self.handoff, self.holder, self.owed = "active", actor.user_id, None

    @rule(which=st.integers(0, 1))
    def release(self, which: int) -> None:
        actor = self.operators[which]
        if self.handoff == "active" and self.holder != actor.user_id:
            with pytest.raises(Conflict):
                self.desk.app.handoffs.release(actor, self.dialog)
            return
        self.desk.app.handoffs.release(actor, self.dialog)
        if self.handoff in ("active", "requested"):
            self.events.append("handoff_released")
            self.handoff, self.holder = "released", None

    @rule(which=st.integers(0, 1))
    def operator_says(self, which: int) -> None:
        self.desk.app.dialogs.say_as_operator(self.operators[which], self.dialog, "Здравствуйте.")
        self.events.append("operator")

    @rule()
    def request(self) -> None:
        self.desk.app.handoffs.request(self.desk.owner, self.dialog, HandoffReason.API)
        self._request()

    @invariant()
    def every_rule_holds(self) -> None:
        if not hasattr(self, "start"):
            return
        app = self.desk.app
        told = app.dialogs.events(self.desk.owner, self.dialog, after_seq=0)
        assert [event["seq"] for event in told] == list(range(1, len(self.events) + 1))
        kinds = [event["message"]["sender"] if event["type"] == "new_message" else event["type"] for event in told]
        assert kinds == self.events
        view = app.dialogs.get(self.desk.owner, self.dialog)
        assert (view.handoff_status, view.taken_over_by) == (self.handoff, self.holder)
        # A worker that is thought dead holds its price until the next one, or a person, comes.
        with app.db.connection():
            replies = list(
                Reply.select().where((Reply.dialog == self.dialog) & Reply.state.in_(("pending", "working")))
            )
            held = Hold.select().where(Hold.state == "open").count()
        assert [reply.id for reply in replies] == ([self.owed.id] if self.owed else [])
        assert held == sum(reply.hold_id is not None for reply in replies)
        assert self.desk.money() == (self.start - (self.answered + held) * PRICE, held * PRICE)
        assert app.ledger.verify().ok

    def teardown(self) -> None:
        """The next dialog begins with no money held."""
        if hasattr(self, "start"):
            self.desk.app.dialogs.delete(self.desk.owner, self.dialog)
            assert self.desk.money()[1] == 0

    def _holds(self, claim: Claim) -> bool:
        """Whether the claim is still the right to answer: a worker that is only thought dead may end what it began."""
        return self.owed is not None and (self.owed.id, self.owed.fence) == (claim.reply_id, claim.fence)

    def _lease_until(self, moment: object) -> None:
        assert self.owed is not None
        with self.desk.app.db.transaction():
            Reply.update(lease_until=moment).where(Reply.id == self.owed.id).execute()

    def _request(self) -> None:
        if self.handoff in ("none", "released"):
            self.events.append("handoff_requested")
            self.handoff = "requested"

    def _apologise(self) -> None:
        self.events.append("assistant")
        self.owed = None
        self._request()


def _open_reply(desk: Desk, dialog: int) -> int:
    """The id of the dialog's open reply."""
    with desk.app.db.connection():
        reply_id: int = Reply.get((Reply.dialog == dialog) & (Reply.state == "pending")).id
        return reply_id


def test_a_dialog_keeps_every_rule_whoever_does_what_when(desk: Desk) -> None:
    olga, boris = (
        desk.app.registration.register(f"{name}@example.com", "correct-horse-7", operator_of=desk.user.id)
        for name in ("olga", "boris")
    )
    operators = tuple(Actor(Role.OPERATOR, user_id=view.id, owner_id=desk.user.id) for view in (olga, boris))
    run_machine(DialogMachine, examples=6, long=400, desk=desk, operators=operators)
