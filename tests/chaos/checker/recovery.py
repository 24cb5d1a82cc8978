"""How long customers waited for a fault to be over: from a strike to the last word of what it had cut short."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.chaos.checker.invariants import CALLS
from tests.chaos.checker.story import Row, Sent, Story

#: What is sent within so many seconds after a strike counts as cut short by it, too.
_AFTER = 0.5


def answered(story: Story) -> list[tuple[float, float]]:
    """When each message was sent, and when its customer had the answer; what calls a person waits for none."""
    sent_at: dict[str | None, float] = {sent.key: sent.at for sent in story.sent.values()}
    pairs: list[tuple[float, float]] = []
    for watch in story.watches.values():
        waiting: list[float] = []
        for event in watch.events:
            if event.get("sender") == "user" and CALLS.search(event["text"]) is None:
                waiting.append(sent_at.get(event["key"], float(event["t"])))
            elif event.get("sender") in ("assistant", "operator"):
                pairs += [(since, event["t"]) for since in waiting]
                waiting.clear()
    return pairs + _answered_in_chats(story)


def _answered_in_chats(story: Story) -> list[tuple[float, float]]:
    """The same of Telegram. An answer of the load's model names the questions that it has seen."""
    waiting: dict[str, list[Sent]] = {}
    pairs: list[tuple[float, float]] = []
    rows = [(row["t"], row) for row in story.rows["told"]] + [(s.at, s) for s in story.sent.values() if s.chat]
    for at, row in sorted(rows, key=lambda pair: pair[0]):
        if isinstance(row, Sent):
            if CALLS.search(row.text) is None:
                waiting.setdefault(row.who, []).append(row)
            continue
        if not row["text"] or row["text"].endswith("▍"):
            continue
        named = [int(number) for number in re.findall(rf"{row['who']}-(\d+):", row["text"])]
        open_ones = waiting.get(row["who"], [])
        met = [sent for sent in open_ones if not named or _number(sent) <= max(named)]
        pairs += [(sent.at, at) for sent in met]
        waiting[row["who"]] = [sent for sent in open_ones if sent not in met]
    return pairs


def _number(sent: Sent) -> int:
    """Which message of its sender it was."""
    found = re.search(rf"{sent.who}-(\d+):", sent.text)
    return int(found.group(1)) if found else 0


def recoveries(story: Story, *, target: str | None = None, op: str = "kill") -> list[float]:
    """For each strike: seconds until everything that was under way at it, or sent right after it, was answered.

    That is full service for whoever was hit worst: connected again, accepted, answered.
    """
    pairs = answered(story)
    return [
        round(max((end - strike["t"] for since, end in pairs if since <= strike["t"] + _AFTER < end), default=0.0), 2)
        for strike in _strikes(story, target, op)
    ]


def reconnects(story: Story, target: str) -> list[float]:
    """Seconds from a strike to the first event of each customer whose connection it broke."""
    found = []
    for strike in _strikes(story, target, "kill"):
        lost = {row["who"] for row in story.rows["lost"] if 0 <= row["t"] - strike["t"] <= 5}
        for who in lost:
            back = next((r["t"] for r in story.rows["connected"] if r["who"] == who and r["t"] > strike["t"]), None)
            if back is not None:
                found.append(round(back - strike["t"], 2))
    return found


def _strikes(story: Story, target: str | None, op: str) -> Iterator[Row]:
    return (row for row in story.rows[op] if target in (None, row["target"]))


def spread(seconds: list[float]) -> tuple[float, float]:
    """The 95th percentile and the greatest."""
    ordered = sorted(seconds)
    return (ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], ordered[-1]) if ordered else (0.0, 0.0)
