"""How long a server asks to be left alone: read from the headers of its refusal. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

#: `1m30s`, `250ms`, `6h0m0s`: how OpenAI and those who copy it write when a limit begins anew.
_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def wait_of(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from `retry-after-ms`, either form of `Retry-After`, or the limits that are used up.

    None where the server names no time. `headers` answers to names in lower case.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):
        return _used_up(headers)


def _used_up(headers: Mapping[str, str]) -> float | None:
    """The longest wait for one of the limits of which nothing remains."""
    waits = []
    for what in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{what}", "").strip() == "0":
            waits.append(_span(headers.get(f"x-ratelimit-reset-{what}", "").strip()))
    return max((wait for wait in waits if wait is not None), default=None)


def _span(text: str) -> float | None:
    plain = _number(text)
    if plain is not None:
        return plain
    found = _SPAN.fullmatch(text)
    if not text or not found:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
