"""What the key pool hands out: a key as administrators see it, a key in use, and how a call on it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from replyx.clock import iso
from replyx.types import Json


@dataclass(frozen=True)
class AiTokenView:
    """An AI key without its secret. Limits and usage count calls of the UTC day and month; 0 is no limit."""

    id: int
    name: str
    #: The masked form: all that ever leaves the pool.
    token: str
    base_url: str
    model_access: tuple[str, ...]
    daily_limit: int
    monthly_limit: int
    daily_usage: int
    monthly_usage: int
    priority: int
    is_active: bool
    disabled_reason: str
    cooling_until: datetime | None
    notes: str
    created_at: datetime

    def as_json(self) -> Json:
        """A row of GET /api/admin/ai-tokens, with what the contract does not have after what it has."""
        return {
            "id": self.id,
            "name": self.name,
            "token": self.token,
            "model_access": list(self.model_access),
            "daily_limit": self.daily_limit,
            "monthly_limit": self.monthly_limit,
            "daily_usage": self.daily_usage,
            "monthly_usage": self.monthly_usage,
            "priority": self.priority,
            "is_active": self.is_active,
            "created_at": iso(self.created_at),
            "base_url": self.base_url,
            "notes": self.notes,
            "disabled_reason": self.disabled_reason,
            "cooling_until": iso(self.cooling_until) if self.cooling_until else None,
        }


@dataclass(frozen=True)
class ReservedKey:
    """A key that one call may be made with; the call is counted already."""

    id: int
    name: str
    base_url: str
    secret: str = field(repr=False)
    #: The secret as it is stored: tells a key whose secret was replaced since.
    sealed: str = field(repr=False)
    #: The secret as people see it.
    masked: str = ""
    #: Troubles in a row before this call; a call that works sets them back.
    failures: int = 0


class KeyVerdict(StrEnum):
    """What a failed call says about its key."""

    #: 401, 402, 403: it will not work until somebody mends it.
    REFUSED = "refused"
    #: 429: it works again later.
    BUSY = "busy"
    #: 5xx, time-outs, broken connections, garbage: the server behind it is ill.
    TROUBLE = "trouble"
    #: 400, 404, 422 and the like: this request was refused, the key may be sound.
    REJECTED = "rejected"


@dataclass(frozen=True)
class KeyOutcome:
    """How a call failed. `reason` is short and free of secrets; `retry_after` is in seconds, as the server asked."""

    verdict: KeyVerdict
    reason: str
    retry_after: float | None = None


@dataclass(frozen=True)
class KeyProbe:
    """What a key's API said when it was asked for its models; `outcome` is None where it did not refuse."""

    outcome: KeyOutcome | None
    latency_ms: int
    #: Whether there was a list, so that the key was looked at; and the key's models that are not in it.
    is_listed: bool
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class TestResult:
    """What a trial call on a key gave. `latency_ms` is the time to the end of the answer."""

    ok: bool
    latency_ms: int
    model: str
    #: Empty where it worked; else short, in English, free of secrets.
    reason: str = ""

    #: Not a test class, whatever its name makes pytest believe.
    __test__ = False

    def as_json(self) -> Json:
        return {"ok": self.ok, "latency_ms": self.latency_ms, "model": self.model, "reason": self.reason}
