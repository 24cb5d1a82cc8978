"""All invariants over one run: the verdict, and the figures beside it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.checker import accounts, invariants, shelf, telegram
from tests.chaos.checker.record import Record, read_record
from tests.chaos.checker.recovery import answered
from tests.chaos.checker.story import Story, read_story

#: Seconds after the last fault within which all must be well again (I12).
HEALTHY_SECONDS = 20.0

#: Exits that are no fault of the program: ended as asked, and the database or Redis away while it started.
_GOOD_ENDS = (0, 4)

#: What a role ends with where the disk did not keep a commit, as `docs/cli.md` has it.
EXIT_DISK = 74


def nobody_was_needed(story: Story, record: Record) -> Iterator[str]:
    """I12: all is well within 20 s after the last fault; nothing crashed; SIGTERM ends a unit within 10 s."""
    for row in story.rows["healthy"]:
        if row["seconds"] > HEALTHY_SECONDS:
            yield f"healthy only {row['seconds']:.1f} s after the last fault"
    for row in story.rows["unhealthy"]:
        yield f"never healthy again: {row['why']}"
    disk_was_bad = any(row["target"] == "disk" for row in story.rows["kill"])
    good_ends = (*_GOOD_ENDS, EXIT_DISK) if disk_was_bad else _GOOD_ENDS
    for row in story.rows["ended"]:
        if not row["asked"] and row["unit"] not in ("postgres", "redis") and row["code"] not in good_ends:
            yield f"{row['unit']} ended by itself with {row['code']}"
    for row in story.rows["drained"]:
        for unit, seconds in row["seconds"].items():
            if seconds > 10:
                yield f"{unit} took {seconds} s to end after SIGTERM"


Check = Callable[[Story, Record], Iterator[str]]

INVARIANTS: dict[str, tuple[Check, ...]] = {
    "I1": (invariants.accepted_once,),
    "I2": (invariants.one_outcome,),
    "I3": (invariants.seen_once, telegram.told_once),
    "I4": (invariants.in_order, telegram.told_in_order),
    "I5": (accounts.books_balance,),
    "I6": (accounts.paid_once,),
    "I7": (accounts.calls_are_bounded,),
    "I8": (invariants.nobody_overheard,),
    "I9": (invariants.nobody_talked_over,),
    "I10": (accounts.keys_are_counted,),
    "I11": (shelf.shelved,),
    "I12": (nobody_was_needed,),
}


@dataclass
class Verdict:
    """What was found wrong, by invariant, and what the run was."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return not self.wrong

    def __str__(self) -> str:
        lines = [f"  {name}: {len(found)}, such as: {'; '.join(found[:3])}" for name, found in self.wrong.items()]
        return "\n".join(lines) if lines else "  every invariant holds"


def judge(history: Path, database_url: str) -> Verdict:
    """Check everything."""
    story, record = read_story(history), read_record(database_url)
    found = {name: [fault for check in checks for fault in check(story, record)] for name, checks in INVARIANTS.items()}
    return Verdict({name: rows for name, rows in found.items() if rows}, _figures(story, record))


def _figures(story: Story, record: Record) -> dict[str, float]:
    stored = record.by("messages", "external_id")
    ok = [sent for sent in story.sent.values() if sent.fate == "ok"]
    lost = sum(sent.key not in stored for sent in ok)
    doubled = sum(len(stored.get(sent.key, [])) > 1 for sent in story.sent.values())
    doubled += sum(count > 1 for count in invariants.answers_by_message(record).values())
    waits = sorted(end - since for since, end in answered(story))
    return {
        "sent": len(story.sent),
        "accepted": len(ok),
        "unknown": story.count("unknown"),
        "kills": len(story.rows["kill"]),
        "lost": lost,
        "doubled": doubled,
        "ledger difference": sum(row["amount"] for row in record["entries"]) / 100,
        "answers": sum(row["outcome"] == "answered" for row in record["messages"]),
        "apologies": sum(row["outcome"] == "unavailable" for row in record["messages"]),
        "through Telegram": sum(sent.chat is not None and sent.fate == "ok" for sent in story.sent.values()),
        "deliveries": len(record["deliveries"]),
        "in doubt": telegram.doubts(record),
        "maybe sent": sum(row["state"] == "maybe_sent" for row in record["deliveries"]),
        "drafts left": len(telegram.drafts_left(story)),
        "documents": len(record["documents"]),
        "documents deleted": len(story.rows["removed"]),
        "reconnects": len(story.rows["lost"]),
        "wait p50": round(statistics.median(waits), 2) if waits else 0.0,
        "wait p95": round(waits[int(len(waits) * 0.95)], 2) if waits else 0.0,
        "wait max": round(waits[-1], 2) if waits else 0.0,
    }
