"""What goes wrong at the fake Bot API: a table of faults, each for some requests, some times or some seconds."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["error", "cut", "effect_then_cut", "effect_then_error", "body", "delay", "hang"]


@dataclass
class Fault:
    """One fault and the requests that meet it; of several that fit, the first one in the table is met.

    `action` is what happens: `error` answers `status` without doing anything; `cut` resets the connection instead;
    `effect_then_cut` and `effect_then_error` do what was asked first, which is then in the log; `body` answers the
    bytes of `body` with `status` and `headers`, whatever they are; `delay` waits `delay` seconds and goes on;
    `hang` never answers.
    """

    action: Action = "error"
    #: A method's name, `file` for downloads, or `*`.
    method: str = "*"
    #: None: every bot, every chat.
    bot_id: int | None = None
    chat_id: int | None = None
    status: int = 502
    description: str = "Bad Gateway"
    retry_after: int | None = None
    migrate_to_chat_id: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    #: Requests that fit and are let through before the first one is met.
    skip: int = 0
    #: How many requests are met; None: all of them.
    times: int | None = 1
    #: Seconds after which it is over; None: never.
    seconds: float | None = None
    #: The part of requests that are met, 0 to 1, by a generator of its own with `seed`.
    chance: float = 1.0
    seed: int = 0
    #: Requests that met it so far.
    met: int = field(default=0, init=False)
    _until: float | None = field(default=None, init=False, repr=False)
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        if self.seconds is not None:
            self._until = time.monotonic() + self.seconds

    @property
    def is_over(self) -> bool:
        """Whether no request will meet it any more."""
        spent = self.times is not None and self.met >= self.times
        return spent or (self._until is not None and time.monotonic() >= self._until)

    def meets(self, method: str, bot_id: int | None, chat_id: int | None) -> bool:
        """Whether this request meets it; counts."""
        fits = (
            self.method.lower() in ("*", method.lower())
            and self.bot_id in (None, bot_id)
            and self.chat_id in (None, chat_id)
        )
        if not fits or self.is_over or self._random.random() >= self.chance:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.met += 1
        return True

    def refusal(self) -> Refusal:
        """The error that it answers."""
        return Refusal(self.status, self.description, self.retry_after, self.migrate_to_chat_id)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Fault:
        """A fault of a script; `body` is text.

        Raises:
            TypeError: a field that faults do not have.
        """
        values = dict(row)
        if "body" in values:
            values["body"] = str(values["body"]).encode()
        return cls(**values)


class Refusal(Exception):
    """An error of the Bot API, in its own words."""

    def __init__(
        self, status: int, description: str, retry_after: int | None = None, migrate_to_chat_id: int | None = None
    ) -> None:
        super().__init__(description)
        self.status, self.description = status, description
        self.retry_after, self.migrate_to_chat_id = retry_after, migrate_to_chat_id

    def as_json(self) -> dict[str, Any]:
        """The body of the answer."""
        answer: dict[str, Any] = {"ok": False, "error_code": self.status, "description": self.description}
        parameters = {"retry_after": self.retry_after, "migrate_to_chat_id": self.migrate_to_chat_id}
        known = {name: value for name, value in parameters.items() if value is not None}
        return {**answer, "parameters": known} if known else answer


def conflict(seconds: float | None = None, **fields: Any) -> Fault:
    """A second poller that never gives way: every getUpdates answers 409, for so many seconds or until removed."""
    words = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    return Fault(method="getUpdates", status=409, description=words, times=None, seconds=seconds, **fields)


def too_many(retry_after: int, **fields: Any) -> Fault:
    """429: the client is to wait so many seconds."""
    words = f"Too Many Requests: retry after {retry_after}"
    return Fault(status=429, description=words, retry_after=retry_after, **fields)


def unparsable(**fields: Any) -> Fault:
    """Telegram does not like the markup, whatever it is."""
    words = "Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 0"
    return Fault(status=400, description=words, **fields)


def outage(**fields: Any) -> Fault:
    """Every request breaks off until the fault is removed."""
    return Fault(action="cut", times=None, **fields)
