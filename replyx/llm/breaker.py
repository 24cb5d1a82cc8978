"""How long a key rests after a failed call, and when only one call at a time may try whether it works again. Pure.

A circuit breaker after M. Nygard, "Release It!": closed, open after troubles in a row, then half open for one probe.
"""

from __future__ import annotations

from replyx.llm.views import KeyOutcome, KeyVerdict

#: Seconds that a key rests after a 429 that names no time, and the longest rest that a server may ask for.
BUSY_SECONDS, LONGEST_REST = 30.0, 3600.0

#: Seconds that a key rests after its server failed: long enough to prefer another, short enough for the next try.
TROUBLE_SECONDS = 2.0

#: Troubles in a row after which the breaker is open. Calls that failed at the same time count as one.
OPEN_AFTER = 3

#: Seconds of the first rest of an open breaker; each probe that fails doubles it, up to the longest one.
OPEN_SECONDS, LONGEST_OPEN = 10.0, 300.0

#: Seconds after which a probe whose end nobody reported, because its process died, makes way for another.
PROBE_SECONDS = 150.0


def rest_of(outcome: KeyOutcome, failures: int) -> float:
    """Seconds that a key rests after `outcome`; `failures` is the number of troubles in a row, this one included."""
    if outcome.verdict is KeyVerdict.BUSY:
        usual = BUSY_SECONDS
    elif failures < OPEN_AFTER:
        usual = TROUBLE_SECONDS
    else:
        usual = min(LONGEST_OPEN, OPEN_SECONDS * 2.0 ** min(failures - OPEN_AFTER, 10))
    if outcome.retry_after is None:
        return usual
    return min(max(outcome.retry_after, 0.0), LONGEST_REST)
