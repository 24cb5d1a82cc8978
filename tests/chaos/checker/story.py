"""The history of a run, read back: what every client sent, was told and saw."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass
class Sent:
    """A message that a client sent, and what it knows of its fate: `ok`, `fail`, or `unknown`."""

    #: None: it went to the chat `chat` of Telegram, whose dialog its sender does not know.
    dialog: int | None
    key: str
    text: str
    who: str
    at: float
    chat: int | None = None
    fate: str = "unknown"
    seq: int | None = None
    fate_at: float | None = None
    answered_at: float | None = None


@dataclass
class Watch:
    """What one customer saw of its dialog."""

    dialog: int
    tenant: str
    from_seq: int
    events: list[Row] = field(default_factory=list)
    #: What came twice, or out of turn, on a connection that was in step.
    strays: list[Row] = field(default_factory=list)
    ended_at: int | None = None


@dataclass
class Story:
    """A history, sorted by what it tells of."""

    sent: dict[str, Sent] = field(default_factory=dict)
    watches: dict[int, Watch] = field(default_factory=dict)
    tenants: list[Row] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def count(self, fate: str) -> int:
        """Customers' and operators' messages of that fate."""
        return sum(sent.fate == fate for sent in self.sent.values())


def read_story(path: Path) -> Story:
    """The story in a history file."""
    story = Story()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            _tell(story, json.loads(line))
    return story


def _tell(story: Story, row: Row) -> None:
    op = row["op"]
    story.rows[op].append(row)
    if op == "send":
        known = row["dialog"], row["key"], row["text"], row["who"], row["t"]
        story.sent[row["key"]] = Sent(*known, row.get("chat"))
    elif op in ("ok", "fail"):
        sent = story.sent[row["key"]]
        sent.fate, sent.seq, sent.fate_at = op, row.get("seq"), row["t"]
    elif op == "watch":
        story.watches[row["dialog"]] = Watch(row["dialog"], row["tenant"], row["from_seq"])
    elif op in ("again", "gap"):
        story.watches[row["dialog"]].strays.append(row)
    elif op == "end":
        story.watches[row["dialog"]].ended_at = row["last_seq"]
    elif op == "tenant":
        story.tenants.append(row)
    elif op == "event":
        story.watches[row["dialog"]].events.append(row)
