"""The record of events: numbers without a gap, told after the commit and in its order, whatever is rolled back."""

from __future__ import annotations

from itertools import count
from typing import NoReturn

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from replyx.clock import iso
from replyx.events.catalogue import dialog_topic
from replyx.events.memory import MemoryBus
from replyx.events.outbox import Outbox
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog
from replyx.types import Json
from tests.domain.library import make_assistant
from tests.domain.owners import make_user
from tests.machines.running import run_machine
from tests.support.clock import MovableClock

#: Of an event: in which dialog, and whether it is a message.
EVENT = st.tuples(st.integers(0, 1), st.booleans())


class Undone(Exception):
    """What makes a transaction fail."""


class OutboxMachine(RuleBasedStateMachine):
    """Events of two dialogs in transactions that commit, fail, or have a part that fails."""

    db: Database
    bus: MemoryBus
    clock: MovableClock
    outbox: Outbox
    numbers = count(1)

    @initialize()
    def open_dialogs(self) -> None:
        owner = make_user(self.db, self.clock, f"{next(self.numbers)}@example.com")
        assistant = make_assistant(self.db, self.clock, owner)
        with self.db.transaction():
            self.dialogs = [
                int(
                    Dialog.create(
                        assistant=assistant,
                        user=owner.user_id,
                        platform="website",
                        dialog_key=f"{next(self.numbers):032}",
                        created_at=self.clock.now(),
                    ).id
                )
                for _ in range(2)
            ]
        self.recorded: list[list[Json]] = [[], []]
        self.last_texts = ["", ""]
        self.heard: list[list[Json]] = [[], []]
        for which, dialog in enumerate(self.dialogs):
            self.bus.subscribe(dialog_topic(dialog), self.heard[which].append)

    @rule(events=st.lists(EVENT, min_size=1, max_size=4), fails=st.booleans())
    def transact(self, events: list[tuple[int, bool]], fails: bool) -> None:
        self.clock.advance(1)
        recorded, texts = [list(rows) for rows in self.recorded], list(self.last_texts)
        try:
            with self.db.transaction():
                for which, is_message in events:
                    self._record(recorded, texts, which, is_message=is_message)
                assert self.heard == self.recorded
                if fails:
                    _undo()
        except Undone:
            return
        self.recorded, self.last_texts = recorded, texts

    @rule(before=EVENT, inside=EVENT, after=EVENT)
    def transact_with_a_part_that_fails(
        self, before: tuple[int, bool], inside: tuple[int, bool], after: tuple[int, bool]
    ) -> None:
        with self.db.transaction():
            self._record(self.recorded, self.last_texts, before[0], is_message=before[1])
            try:
                with self.db.transaction():
                    lost = [list(rows) for rows in self.recorded]
                    self._record(lost, list(self.last_texts), inside[0], is_message=inside[1])
                    _undo()
            except Undone:
                pass
            self._record(self.recorded, self.last_texts, after[0], is_message=after[1])

    @rule(which=st.integers(0, 1), last_seq=st.integers(0, 12), limit=st.integers(1, 5))
    def come_back(self, which: int, last_seq: int, limit: int) -> None:
        assert self.outbox.since(self.dialogs[which], last_seq, limit) == self.recorded[which][last_seq:][:limit]

    @invariant()
    def the_record_is_what_was_told(self) -> None:
        if not hasattr(self, "heard"):
            return
        assert self.heard == self.recorded
        assert self.outbox.heads(self.dialogs) == {d: len(self.recorded[n]) for n, d in enumerate(self.dialogs)}
        for which, dialog in enumerate(self.dialogs):
            assert self.outbox.since(dialog, 0) == self.recorded[which]
            with self.db.connection():
                assert Dialog.get_by_id(dialog).last_message == self.last_texts[which]

    def _record(self, recorded: list[list[Json]], texts: list[str], which: int, *, is_message: bool) -> None:
        """Record an event in the database, and in the model."""
        dialog, moment, number = self.dialogs[which], self.clock.now(), next(self.numbers)
        if is_message:
            # Longer than the part that a dialog's row keeps.
            text = f"{number} " * 100
            seq = self.outbox.next_seq_of_message(dialog, text, moment)
            texts[which] = text[:200]
        else:
            seq = self.outbox.next_seq(dialog)
        payload = self.outbox.record(dialog, seq, "read", {"number": number}, moment)
        about = {"type": "read", "dialog_id": dialog, "number": number}
        assert payload == {**about, "seq": len(recorded[which]) + 1, "timestamp": iso(moment)}
        recorded[which].append(payload)


def _undo() -> NoReturn:
    raise Undone


def test_events_in_any_order_are_told_as_they_are_recorded(db: Database, bus: MemoryBus, clock: MovableClock) -> None:
    run_machine(OutboxMachine, examples=6, long=500, db=db, bus=bus, clock=clock, outbox=Outbox(db, bus))
