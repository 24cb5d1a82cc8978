"""The pool of AI keys: the administrator's keys to OpenAI-compatible APIs, and which of them may be used now.

A call is counted before it is made, by one conditional UPDATE, so limits hold however many workers ask. Cooling is
kept by the database's clock, days and months turn in the configured time zone.
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Collection, Sequence
from datetime import UTC, tzinfo
from typing import Any

import peewee

from replyx.clock import Clock
from replyx.errors import Conflict, NotFound, UniqueViolation
from replyx.events.audit import Audit
from replyx.llm.ai_token_checks import DEFAULT_BASE_URL, check_fields
from replyx.llm.breaker import OPEN_AFTER, rest_of
from replyx.llm.counting import Counting, has_room
from replyx.llm.views import AiTokenView, KeyOutcome, KeyProbe, KeyVerdict, ReservedKey, TestResult
from replyx.security.secretbox import SecretBox, is_masked, mask
from replyx.storage.ai_tokens import AiToken
from replyx.storage.database import Database

logger = logging.getLogger(__name__)

#: A trial call may take this long, in seconds.
_TEST_SECONDS = 30.0


class AiTokens:
    """Keys by name and number; which one to use for a model; what a failed call means for its key."""

    def __init__(self, db: Database, clock: Clock, box: SecretBox, zone: tzinfo = UTC) -> None:
        """`zone` is where days and months of limits turn."""
        self._db = db
        self._clock = clock
        self._box = box
        self._audit = Audit(db, clock)
        self._zone = zone
        self._counting = Counting(db)

    def add(
        self,
        name: str,
        token: str,
        *,
        model_access: Sequence[str],
        base_url: str = DEFAULT_BASE_URL,
        priority: int = 1,
        daily_limit: int = 0,
        monthly_limit: int = 0,
        notes: str = "",
    ) -> AiTokenView:
        """Store a key. `priority`: the lower number is used first. Limits count calls, 0 is no limit.

        Raises:
            ValidationFailed: a field may not stand. Conflict: the name is taken.
        """
        fields = check_fields(
            {
                "name": name,
                "token": token,
                "base_url": base_url,
                "model_access": model_access,
                "priority": priority,
                "daily_limit": daily_limit,
                "monthly_limit": monthly_limit,
                "notes": notes,
            }
        )
        columns = self._columns(fields)
        try:
            with self._db.transaction():
                row = AiToken.create(created_at=self._clock.now(), **columns)
                self._audit.record("ai_token.added", f"ai_token:{row.id}", name=row.name)
        except UniqueViolation as error:
            raise _name_taken() from error
        logger.info("an AI key was added", extra={"ai_token_id": row.id})
        return self.get(row.id)

    def list(self) -> list[AiTokenView]:
        """Every key, in the order of use."""
        with self._db.connection():
            rows = list(AiToken.select().order_by(AiToken.priority, AiToken.id))
        return [self._view(row) for row in rows]

    def get(self, id_or_name: int | str) -> AiTokenView:
        """One key, by its number or its name.

        Raises:
            NotFound: there is none.
        """
        with self._db.connection():
            return self._view(_row(id_or_name))

    def update(self, token_id: int, **changes: Any) -> AiTokenView:
        """Change fields by their names in the API. A masked `token` changes nothing; a new one revives the key.

        Raises:
            NotFound: there is no such key. ValidationFailed: a field may not stand. Conflict: the name is taken.
        """
        if isinstance(changes.get("token"), str) and is_masked(changes["token"]):
            del changes["token"]
        columns = self._columns(check_fields(changes))
        try:
            with self._db.transaction():
                row = _row(token_id)
                if columns.get("is_active") or ("secret" in columns and row.disabled_reason):
                    columns |= {
                        "is_active": columns.get("is_active", True),
                        "disabled_reason": "",
                        "cooling_until": None,
                        "failures": 0,
                    }
                elif "secret" in columns or "base_url" in columns:
                    columns |= {"cooling_until": None, "failures": 0}
                if columns and AiToken.update(columns).where(AiToken.id == row.id).execute() != 1:
                    raise NotFound
                self._audit.record("ai_token.changed", f"ai_token:{token_id}", fields=", ".join(sorted(changes)))
        except UniqueViolation as error:
            raise _name_taken() from error
        return self.get(token_id)

    def set_active(self, token_id: int, active: bool) -> AiTokenView:
        """Switch a key on, which forgets why it was off and that it rested, or off.

        Raises:
            NotFound: there is no such key.
        """
        return self.update(token_id, is_active=active)

    def remove(self, token_id: int) -> None:
        """Delete a key.

        Raises:
            NotFound: there is no such key.
        """
        with self._db.transaction():
            if AiToken.delete().where(AiToken.id == token_id).execute() != 1:
                raise NotFound
            self._audit.record("ai_token.removed", f"ai_token:{token_id}")

    def models(self) -> set[str]:
        """Names of the models that an active key gives access to."""
        with self._db.connection():
            rows = list(AiToken.select(AiToken.model_access).where(AiToken.is_active))
        return {name for row in rows for name in row.model_access}

    def default_model(self) -> str | None:
        """The first model of the active key that is used first; None without one."""
        with self._db.connection():
            row = AiToken.select().where(AiToken.is_active).order_by(AiToken.priority, AiToken.id).first()
        return str(row.model_access[0]) if row else None

    def reserve(self, model: str, exclude: Collection[int] = ()) -> ReservedKey | None:
        """The key to call `model` with now, its call counted; None where no key may be used.

        Keys that are active, not resting and within their limits: the lowest `priority` first, among equals the
        least used today. `exclude` holds the keys that this answer has tried.
        """
        day, month = self._today()
        # A power cut may forget the count of a call that it broke off.
        with self._db.transaction(provisional=True):
            for row in self._candidates(model, exclude, day, month):
                if self._counting.count(row.id, day, month):
                    secret = self._box.open(row.secret)
                    return ReservedKey(row.id, row.name, row.base_url, secret, row.secret, row.masked, row.failures)
        return None

    def rest_of(self, model: str) -> float | None:
        """Seconds until the first resting key of `model` may be used again; None where no key rests."""
        with self._db.connection():
            left = peewee.fn.ABS(AiToken.cooling_until - self._db.now_ms()).coerce(False)
            resting = AiToken.is_active & (AiToken.cooling_until > self._db.now_ms())
            rows: Any = AiToken.select(AiToken.model_access, left).where(resting).tuples()
            waits = [int(ms) / 1000 for models, ms in rows if model in models]
        return min(waits, default=None)

    def report(self, key: ReservedKey, outcome: KeyOutcome) -> None:
        """Note how a call failed: a refused key is switched off, a busy one and one in trouble rests.

        A key whose secret was replaced meanwhile is left alone. Switching off is in the audit log, once.
        """
        if outcome.verdict is KeyVerdict.REJECTED:
            self.settle(key)
            return
        if outcome.verdict is KeyVerdict.REFUSED:
            self._switch_off(key, outcome.reason[:200])
            return
        changes: dict[str, Any] = {}
        failures = key.failures
        if outcome.verdict is KeyVerdict.TROUBLE:
            failures += 1
            # Calls that fail together read the same number: they are one trouble, not twenty.
            changes["failures"] = peewee.Case(None, [(AiToken.failures > failures, AiToken.failures)], failures)
        changes["cooling_until"] = self._db.now_ms(rest_of(outcome, failures))
        with self._db.transaction():
            changed = AiToken.update(changes).where(_mine(key)).execute()
        if changed:
            text = "an AI key's breaker is open" if failures >= OPEN_AFTER else "an AI key rests"
            logger.warning(text, extra={"ai_token_id": key.id, "key_name": key.name, "reason": outcome.reason})

    def settle(self, key: ReservedKey) -> None:
        """Note that the server behind a key is well: its troubles are forgotten. Costs nothing where it had none."""
        if key.failures:
            self._forget(key, failures=0, cooling_until=None)

    def abandon(self, key: ReservedKey) -> None:
        """Note that a call was given up from our side: a probe makes way for another one."""
        if key.failures >= OPEN_AFTER:
            self._forget(key, cooling_until=None)

    def _forget(self, key: ReservedKey, **columns: Any) -> None:
        with self._db.transaction():
            AiToken.update(columns).where(_mine(key)).execute()

    def _switch_off(self, key: ReservedKey, reason: str) -> None:
        with self._db.transaction():
            if AiToken.update(is_active=False, disabled_reason=reason).where(_mine(key)).execute() == 1:
                self._audit.record("ai_token.disabled", f"ai_token:{key.id}", name=key.name, reason=reason)
                text, extra = "an AI key was switched off", {"ai_token_id": key.id, "key_name": key.name}
                self._db.after_commit(lambda: logger.error(text, extra={**extra, "reason": reason}))

    def test(self, token_id: int) -> TestResult:
        """Make one tiny call with the key's first model, whatever the key's state; the call is not counted.

        Raises:
            NotFound: there is no such key.
        """
        from replyx.llm.chat_api import ChatApi, ChatCall, ChatFailed

        with self._db.connection():
            row = _row(token_id)
        call = ChatCall(row.model_access[0], ({"role": "user", "content": "Say OK."},), max_tokens=16)
        start = self._clock.monotonic()
        reason = ""
        with ChatApi(self._clock, silence_seconds=_TEST_SECONDS) as api:
            try:
                for _ in api.stream(row.base_url, self._box.open(row.secret), call, seconds=_TEST_SECONDS):
                    pass
            except ChatFailed as failure:
                reason = failure.outcome.reason
        latency_ms = round((self._clock.monotonic() - start) * 1000)
        return TestResult(ok=not reason, latency_ms=latency_ms, model=call.model, reason=reason)

    def probe(self, token_id: int, seconds: float) -> KeyProbe:
        """Ask a key's API for the models that it offers, which costs nothing and is not counted.

        Raises:
            NotFound: there is no such key.
        """
        from replyx.llm.chat_api import ChatApi, ChatFailed

        with self._db.connection():
            row = _row(token_id)
        start = self._clock.monotonic()
        offered, outcome = None, None
        with ChatApi(self._clock, silence_seconds=seconds) as api:
            try:
                offered = api.models(row.base_url, self._box.open(row.secret), seconds=seconds)
            except ChatFailed as failure:
                outcome = failure.outcome
        latency_ms = round((self._clock.monotonic() - start) * 1000)
        missing = tuple(name for name in row.model_access if offered is not None and name not in offered)
        return KeyProbe(outcome, latency_ms, offered is not None, missing)

    def _today(self) -> tuple[str, str]:
        day = self._clock.now().astimezone(self._zone).strftime("%Y-%m-%d")
        return day, day[:7]

    def _candidates(self, model: str, exclude: Collection[int], day: str, month: str) -> builtins.list[AiToken]:
        fit = [
            row
            for row in self._counting.ready()
            if model in row.model_access and row.id not in exclude and has_room(row, day, month)
        ]
        return sorted(fit, key=lambda r: (r.priority, r.daily_usage if r.usage_day == day else 0, r.id))

    def _columns(self, fields: dict[str, Any]) -> dict[str, Any]:
        columns = dict(fields)
        if "token" in columns:
            secret = columns.pop("token")
            columns |= {"secret": self._box.seal(secret), "masked": mask(secret)}
        return columns

    def _view(self, row: AiToken) -> AiTokenView:
        day, month = self._today()
        return AiTokenView(
            id=row.id,
            name=row.name,
            token=row.masked,
            base_url=row.base_url,
            model_access=tuple(row.model_access),
            daily_limit=row.daily_limit,
            monthly_limit=row.monthly_limit,
            daily_usage=row.daily_usage if row.usage_day == day else 0,
            monthly_usage=row.monthly_usage if row.usage_month == month else 0,
            priority=row.priority,
            is_active=row.is_active,
            disabled_reason=row.disabled_reason,
            cooling_until=row.cooling_until,
            notes=row.notes,
            created_at=row.created_at,
        )


def _mine(key: ReservedKey) -> Any:
    """The key's row, while it is on and has the secret that the call was made with."""
    return (AiToken.id == key.id) & (AiToken.secret == key.sealed) & AiToken.is_active


def _row(id_or_name: int | str) -> AiToken:
    wanted = AiToken.name == id_or_name if isinstance(id_or_name, str) else AiToken.id == id_or_name
    row: AiToken | None = AiToken.get_or_none(wanted)
    if row is None:
        raise NotFound("Такого ключа нет", "There is no such AI key")
    return row


def _name_taken() -> Conflict:
    ru, en = "Ключ с таким названием уже есть", "There is an AI key of this name already"
    return Conflict(ru, en, details={"field": "name", "issue": ru})
