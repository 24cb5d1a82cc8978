"""The invariants of Telegram: what its log says was shown in a chat, beside what the record says was delivered."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.checker.record import Record, Row
from tests.chaos.checker.story import Story

#: What a text ends in that is still being written.
_UNFINISHED = "▍"

#: Chat → what was said in it, as plain words → the numbers of the messages that say it, in their order.
Shown = dict[int, dict[str, list[int]]]


def told_once(story: Story, record: Record) -> Iterator[str]:
    """I3: what is `sent` stands in its chat, once; twice only where the record says that it was in doubt."""
    shown = _shown(story)
    owed = _owed(record)
    for row in record["deliveries"]:
        if row["state"] not in ("sent", "maybe_sent"):
            yield f"delivery {row['id']} of message {row['message_id']} is {row['state']}"
    for chat in sorted(set(shown) | set(owed)):
        explained: set[str] = set()
        for words, rows in owed.get(chat, {}).items():
            same = [text for text in shown.get(chat, {}) if text.endswith(words)]
            explained.update(same)
            times = len({number for text in same for number in shown[chat][text]})
            least = sum(row["state"] == "sent" for row in rows)
            most = len(rows) + sum(row["doubts"] for row in rows)
            if not least <= times <= most:
                yield f"chat {chat} shows {times} times what was to be told {least} to {most} times: {words[-60:]}"
        for text in set(shown.get(chat, {})) - explained:
            yield f"chat {chat} shows what no message says: {text[-60:]}"
    left, kills = len(drafts_left(story)), len(story.rows["kill"])
    if left > kills:
        yield f"{left} drafts are left unfinished, at {kills} kills"


def told_in_order(story: Story, record: Record) -> Iterator[str]:
    """I4: a chat shows the messages in the order of its dialog."""
    first: dict[int, dict[str, int]] = defaultdict(dict)
    for place, row in enumerate(_finals(story)):
        first[row["chat"]].setdefault(_words(row["text"]), place)
    for chat, owed in _owed(record).items():
        places = [
            next((place for text, place in first[chat].items() if text.endswith(words)), None)
            for words, rows in owed.items()
            # What is said twice in a dialog has no one place.
            if len(rows) == 1
        ]
        known = [place for place in places if place is not None]
        if known != sorted(known):
            yield f"chat {chat} shows messages out of order"


def drafts_left(story: Story) -> set[tuple[int, int]]:
    """Chat and number of messages that were begun and neither ended nor taken away: a death between the two."""
    open_drafts: set[tuple[int, int]] = set()
    for row in story.rows["told"]:
        place = row["chat"], row["message"]
        if row["text"].endswith(_UNFINISHED):
            open_drafts.add(place)
        else:
            open_drafts.discard(place)
    return open_drafts


def doubts(record: Record) -> int:
    """How often a delivery was in doubt: it may have been shown, or not, or is shown twice with a mark."""
    return sum(row["doubts"] for row in record["deliveries"])


def _finals(story: Story) -> Iterator[Row]:
    return (row for row in story.rows["told"] if row["text"] and not row["text"].endswith(_UNFINISHED))


def _shown(story: Story) -> Shown:
    shown: defaultdict[int, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in _finals(story):
        shown[row["chat"]][_words(row["text"])].append(row["message"])
    return {chat: dict(texts) for chat, texts in shown.items()}


def _owed(record: Record) -> dict[int, dict[str, list[Row]]]:
    """Chat → the words of a message → its deliveries, in the order of the dialog."""
    chats = {row["id"]: row["telegram_chat_id"] for row in record["dialogs"]}
    texts = {row["id"]: row["text"] for row in record["messages"]}
    owed: defaultdict[int, defaultdict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in record["deliveries"]:
        owed[int(chats[row["dialog_id"]] or 0)][_words(texts[row["message_id"]])].append(row)
    return {chat: dict(messages) for chat, messages in owed.items()}


def _words(text: str) -> str:
    """Letters and digits only: markup comes and goes on the way."""
    return " ".join(re.findall(r"\w+", html.unescape(re.sub(r"<[^>]+>", "", text))))
