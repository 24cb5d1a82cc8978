"""The invariants of messages, one function each: what they find wrong, in words."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator

from tests.chaos.checker.record import Record, Row
from tests.chaos.checker.story import Story

_OPEN = ("pending", "working")

#: Words of the load's customers that call a person.
CALLS = re.compile("оператор")


def accepted_once(story: Story, record: Record) -> Iterator[str]:
    """I1: what a client saw accepted is stored exactly once as it was sent; what nobody sent is not there."""
    stored: dict[str | None, list[Row]] = record.by("messages", "external_id")
    chats = {row["id"]: row["telegram_chat_id"] for row in record["dialogs"]}
    for sent in story.sent.values():
        rows = stored.get(sent.key, [])
        if sent.fate == "ok" and len(rows) != 1:
            yield f"{sent.key} was accepted and is stored {len(rows)} times"
        elif sent.fate == "fail" and rows:
            yield f"{sent.key} was refused and is stored"
        elif len(rows) > 1:
            yield f"{sent.key} is stored {len(rows)} times"
        for row in rows:
            is_there = (
                row["dialog_id"] == sent.dialog if sent.chat is None else chats[row["dialog_id"]] == str(sent.chat)
            )
            if not is_there or row["text"] != sent.text:
                yield f"{sent.key} is stored in another dialog or with other words"
            if sent.seq is not None and row["seq"] != sent.seq:
                yield f"{sent.key} was accepted as {sent.seq} and is stored as {row['seq']}"
    for key, rows in stored.items():
        # A notice has the key of the message that it is about, and a mark.
        if key is not None and key not in story.sent and any(row["sender"] != "assistant" for row in rows):
            yield f"nobody sent {key}, stored in dialog {rows[0]['dialog_id']}"
    nameless = [row for row in stored.get(None, []) if row["sender"] == "user"]
    if nameless:
        yield f"{len(nameless)} customers' messages have no key"


def one_outcome(story: Story, record: Record) -> Iterator[str]:
    """I2: every customer message ends in exactly one answer, an explained failure, or a person's hands."""
    answers = {row["reply_id"]: row for row in record["messages"] if row["reply_id"] is not None}
    events = record.by("events", "dialog_id")
    spoken: dict[int, set[int]] = {}
    for message in answers.values():
        spoken.setdefault(message["dialog_id"], set()).add(message["seq"])
    for reply in record["replies"]:
        if reply["state"] in _OPEN:
            yield f"reply {reply['id']} is still {reply['state']} after {reply['attempts']} tries"
        elif reply["state"] in ("done", "dead") and reply["id"] not in answers:
            yield f"reply {reply['id']} is {reply['state']} without a word to the customer"
        elif reply["state"] == "discarded" and reply["id"] in answers:
            yield f"reply {reply['id']} was discarded and delivered"
        elif reply["state"] == "dead" and answers[reply["id"]]["outcome"] != "unavailable":
            yield f"reply {reply['id']} is dead and its message does not say so"
    for (dialog, seq), count in answers_by_message(record).items():
        if count > 1:
            yield f"message {seq} of dialog {dialog} has {count} answers"
        elif not count and not _is_explained(seq, events.get(dialog, []), spoken.get(dialog, set())):
            yield f"message {seq} of dialog {dialog} has no answer and nobody was called"


def answers_by_message(record: Record) -> dict[tuple[int, int], int]:
    """Dialog and `seq` of each customer message → how many replies that came to an end were to answer it."""
    ended: dict[int, list[Row]] = {}
    for reply in record["replies"]:
        if reply["state"] in ("done", "dead"):
            ended.setdefault(reply["dialog_id"], []).append(reply)
    return {
        (m["dialog_id"], m["seq"]): sum(
            r["first_seq"] <= m["seq"] <= r["upto_seq"] for r in ended.get(m["dialog_id"], ())
        )
        for m in record["messages"]
        if m["sender"] == "user"
    }


def _is_explained(seq: int, events: list[Row], answers: set[int]) -> bool:
    """Whether a message without an answer called a person, found one called, or came into a person's hands."""
    if any(start <= seq <= end for start, end in _silences(events, answers)):
        return True
    if not CALLS.search(events[seq - 1]["payload"]["message"]["text"]):
        return False
    state = ""
    for event in events[: seq + 1]:
        if event["type"] in ("handoff_requested", "handoff_released", "handoff_started"):
            state = event["type"]
    return state == "handoff_requested"


def _silences(events: list[Row], answers: set[int]) -> list[tuple[int, int]]:
    """From which `seq` to which a person had the dialog, with what waited for an answer when it was taken.

    `answers` are the numbers of answers: a notice, such as that a person was called, answers nothing.
    """
    spans: list[tuple[int, int]] = []
    last_answer = start = 0
    for event in events:
        if event["type"] == "handoff_started":
            start = last_answer + 1
        elif event["type"] == "handoff_released" and start:
            spans.append((start, event["seq"]))
            start = 0
        elif event["payload"].get("message", {}).get("sender") == "assistant" and event["seq"] in answers:
            last_answer = event["seq"]
    if start:
        spans.append((start, 2**31))
    return spans


def seen_once(story: Story, record: Record) -> Iterator[str]:
    """I3: every customer saw every event of its dialog once, as it is stored; no answer is delivered twice."""
    events = record.by("events", "dialog_id")
    for watch in story.watches.values():
        rows = {row["seq"]: row for row in events.get(watch.dialog, []) if row["seq"] > watch.from_seq}
        seen = Counter(event["seq"] for event in watch.events)
        for seq, times in seen.items():
            if times > 1:
                yield f"event {seq} of dialog {watch.dialog} was seen {times} times"
            if seq not in rows:
                yield f"event {seq} of dialog {watch.dialog} was seen and is not stored"
        missed = sorted(set(rows) - set(seen))
        if missed:
            yield f"dialog {watch.dialog}: events {missed[:5]} were never seen ({len(missed)} in all)"
        for event in watch.events:
            stored = rows.get(event["seq"], {}).get("payload", {}).get("message", {})
            if stored.get("text") != event.get("text") or stored.get("id") != event.get("message"):
                yield f"event {event['seq']} of dialog {watch.dialog} was seen with other words than are stored"
        for stray in watch.strays:
            yield f"dialog {watch.dialog}: event {stray['seq']} came {stray['op']} on a connection that was in step"
    given = Counter(row["reply_id"] for row in record["messages"] if row["reply_id"] is not None)
    for reply, times in given.items():
        if times > 1:
            yield f"reply {reply} was delivered {times} times"
    for row in story.rows["resync"]:
        yield f"dialog {row['dialog']}: a customer was told that event {row['last_seq']} never happened"


def in_order(story: Story, record: Record) -> Iterator[str]:
    """I4: numbers of a dialog's events are 1, 2, 3 …; messages have the numbers of their events; all see one order."""
    messages = record.by("messages", "dialog_id")
    events = record.by("events", "dialog_id")
    for dialog in record["dialogs"]:
        rows = events.get(dialog["id"], [])
        numbers = [row["seq"] for row in rows]
        if numbers != list(range(1, dialog["last_seq"] + 1)):
            yield f"dialog {dialog['id']}: its events are not 1 … {dialog['last_seq']}: {numbers[-5:]}"
        told = {r["seq"]: r["payload"]["message"]["id"] for r in rows if r["type"] == "new_message"}
        held = {row["seq"]: row["id"] for row in messages.get(dialog["id"], [])}
        if told != held:
            yield f"dialog {dialog['id']}: its messages are not those of its events"
    for watch in story.watches.values():
        seen = [event["seq"] for event in watch.events]
        if seen != sorted(seen) or any(b - a != 1 for a, b in itertools.pairwise(seen)):
            yield f"dialog {watch.dialog}: its customer saw events out of order"


def nobody_talked_over(story: Story, record: Record) -> Iterator[str]:
    """I9: while a person has a dialog, the assistant says nothing in it."""
    for dialog, events in record.by("events", "dialog_id").items():
        is_taken = False
        for event in events:
            if event["type"] == "handoff_started":
                is_taken = True
            elif event["type"] == "handoff_released":
                is_taken = False
            elif is_taken and event["payload"].get("message", {}).get("sender") == "assistant":
                yield f"dialog {dialog}: the assistant spoke in event {event['seq']} over a person"


def nobody_overheard(story: Story, record: Record) -> Iterator[str]:
    """I8: no tenant's canary is seen by another's people, nor stored with them; answers belong to their questions."""
    canaries = {row["user_id"]: row["canary"] for row in story.tenants}
    names = {row["name"]: row["user_id"] for row in story.tenants}
    owner = {row["id"]: row["user_id"] for row in record["dialogs"]}
    for message in record["messages"]:
        mine = owner[message["dialog_id"]]
        for user, canary in canaries.items():
            if user != mine and canary in message["text"]:
                yield f"message {message['id']} of user {mine} holds the canary of user {user}"
    for watch in story.watches.values():
        for event in watch.events:
            for user, canary in canaries.items():
                if user != names[watch.tenant] and canary in (event.get("text") or ""):
                    yield f"a customer of {watch.tenant} saw the canary of user {user}"
    for row in story.rows["told"]:
        for user, canary in canaries.items():
            if user != names[row["tenant"]] and canary in row["text"]:
                yield f"chat {row['chat']} of {row['tenant']} saw the canary of user {user}"
    for row in story.rows["foreign"]:
        yield f"{row['who']} was shown dialog {row['dialog']} of another tenant"
