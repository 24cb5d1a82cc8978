"""The pool of AI keys: which key is used next, however limits, rests, days and administrators change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from replyx.llm.ai_tokens import AiTokens
from replyx.llm.breaker import OPEN_AFTER
from replyx.llm.views import KeyOutcome, KeyVerdict, ReservedKey
from replyx.security.secretbox import SecretBox
from replyx.storage.ai_tokens import AiToken
from replyx.storage.database import Database
from tests.machines.running import run_machine
from tests.support.clock import MovableClock

MODELS = st.sets(st.sampled_from("ab"), min_size=1)
LIMITS = st.integers(0, 4)
WHICH = st.integers(0, 5)


@dataclass
class Key:
    """What the pool should know of a key. `used` are its calls of the day and of the month."""

    id: int
    name: str
    models: set[str]
    priority: int
    daily: int
    monthly: int
    today: int = 0
    this_month: int = 0
    is_active: bool = True
    rests: bool = False
    #: Troubles in a row.
    failures: int = 0

    def fits(self, model: str) -> bool:
        within = (not self.daily or self.today < self.daily) and (not self.monthly or self.this_month < self.monthly)
        return self.is_active and not self.rests and model in self.models and within


class KeysMachine(RuleBasedStateMachine):
    """Administrators, workers and providers at one pool."""

    db: Database
    clock: MovableClock
    pool: AiTokens
    numbers = count(1)

    def __init__(self) -> None:
        super().__init__()
        with self.db.transaction():
            AiToken.delete().execute()
        self.keys: list[Key] = []
        self.reserved: list[ReservedKey] = []

    @precondition(lambda self: len(self.keys) < 5)
    @rule(models=MODELS, priority=st.integers(1, 2), daily=LIMITS, monthly=st.sampled_from([0, 3, 7]))
    def add(self, models: set[str], priority: int, daily: int, monthly: int) -> None:
        number = next(self.numbers)
        view = self.pool.add(
            f"key-{number}",
            f"sk-{number:020}",
            model_access=sorted(models),
            priority=priority,
            daily_limit=daily,
            monthly_limit=monthly,
        )
        self.keys.append(Key(view.id, view.name, models, priority, daily, monthly))

    @rule(model=st.sampled_from("ab"), without=st.sets(WHICH, max_size=2))
    def reserve(self, model: str, without: set[int]) -> None:
        exclude = {key.id for number, key in enumerate(self.keys) if number in without}
        fit = [key for key in self.keys if key.fits(model) and key.id not in exclude]
        taken = self.pool.reserve(model, exclude)
        if not fit:
            assert taken is None
            return
        best = min(fit, key=lambda key: (key.priority, key.today, key.id))
        assert taken is not None
        assert (taken.id, taken.failures) == (best.id, best.failures)
        best.today += 1
        best.this_month += 1
        # The one call that may try whether it works again.
        best.rests = best.failures >= OPEN_AFTER
        self.reserved.append(taken)

    @precondition(lambda self: self.reserved)
    @rule(which=WHICH, verdict=st.sampled_from(KeyVerdict))
    def report(self, which: int, verdict: KeyVerdict) -> None:
        used = self.reserved[which % len(self.reserved)]
        self.pool.report(used, KeyOutcome(verdict, "it said so", retry_after=900))
        for key in self._in_use(used):
            if verdict is KeyVerdict.REFUSED:
                key.is_active = False
            elif verdict is KeyVerdict.REJECTED:
                # The server is well: it was the request.
                self._settle(key, used)
            else:
                key.rests = True
            if verdict is KeyVerdict.TROUBLE:
                key.failures = max(key.failures, used.failures + 1)

    @precondition(lambda self: self.reserved)
    @rule(which=WHICH, is_done=st.booleans())
    def end_well(self, which: int, is_done: bool) -> None:
        """A call came to its end, or was given up from our side."""
        used = self.reserved[which % len(self.reserved)]
        if is_done:
            self.pool.settle(used)
        else:
            self.pool.abandon(used)
        for key in self._in_use(used):
            if is_done:
                self._settle(key, used)
            elif used.failures >= OPEN_AFTER:
                key.rests = False

    @rule()
    def rests_end(self) -> None:
        with self.db.transaction():
            AiToken.update(cooling_until=self.db.now_ms(-1)).where(AiToken.cooling_until.is_null(False)).execute()
        for key in self.keys:
            key.rests = False

    @rule(days=st.sampled_from([1, 31]))
    def time_passes(self, days: int) -> None:
        before = self.clock.now()
        self.clock.advance(days * 86_400)
        for key in self.keys:
            key.today = 0
            if (before.year, before.month) != (self.clock.now().year, self.clock.now().month):
                key.this_month = 0

    @precondition(lambda self: self.keys)
    @rule(which=WHICH, active=st.booleans())
    def switch(self, which: int, active: bool) -> None:
        key = self.keys[which % len(self.keys)]
        self.pool.set_active(key.id, active)
        key.is_active = active
        if active:
            key.rests, key.failures = False, 0

    @precondition(lambda self: self.keys)
    @rule(which=WHICH, daily=LIMITS)
    def limit(self, which: int, daily: int) -> None:
        key = self.keys[which % len(self.keys)]
        self.pool.update(key.id, daily_limit=daily)
        key.daily = daily

    @precondition(lambda self: self.keys)
    @rule(which=WHICH)
    def replace_secret(self, which: int) -> None:
        """Who was refused under the old secret says nothing of the new one, which revives the key."""
        key = self.keys[which % len(self.keys)]
        was_refused = bool(self.pool.get(key.id).disabled_reason)
        self.pool.update(key.id, token=f"sk-{next(self.numbers):020}")
        key.is_active = key.is_active or was_refused
        key.rests, key.failures = False, 0
        self.reserved = [used for used in self.reserved if used.id != key.id]

    @precondition(lambda self: self.keys)
    @rule(which=WHICH)
    def remove(self, which: int) -> None:
        self.pool.remove(self.keys.pop(which % len(self.keys)).id)

    @invariant()
    def every_key_is_as_it_should_be(self) -> None:
        shown: dict[int, Any] = {view.id: view for view in self.pool.list()}
        assert shown.keys() == {key.id for key in self.keys}
        for key in self.keys:
            view = shown[key.id]
            assert (view.daily_usage, view.monthly_usage, view.is_active) == (key.today, key.this_month, key.is_active)
        assert self.pool.models() == {name for key in self.keys if key.is_active for name in key.models}

    def _in_use(self, used: ReservedKey) -> list[Key]:
        """The key that a call was made with, unless it was switched off or removed meanwhile.

        SQLite gives the number of a removed key to the next one, which a late call of the old one must not harm.
        """
        return [key for key in self.keys if (key.id, key.name) == (used.id, used.name) and key.is_active]

    def _settle(self, key: Key, used: ReservedKey) -> None:
        if used.failures:
            key.rests, key.failures = False, 0


def test_the_key_that_is_used_next_is_the_right_one_whatever_happened(db: Database, clock: MovableClock) -> None:
    run_machine(KeysMachine, examples=6, long=500, db=db, clock=clock, pool=AiTokens(db, clock, SecretBox(b"k" * 32)))
