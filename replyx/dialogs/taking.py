"""Plain words of a chat in Telegram become messages of its dialog and leave the inbox: all of them in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replyx.dialogs.arrivals import Arrivals
from replyx.dialogs.inbox import Inbox
from replyx.dialogs.updates import Updates
from replyx.storage.database import Database
from replyx.types import Channel, Contact, InboundMessage


@dataclass(frozen=True)
class Words:
    """What a customer wrote, and the row of the inbox in which it came. `key` is the message's in its dialog."""

    row_id: int
    key: str
    text: str
    contact: Contact


class Taking:
    """The short way of what most updates are; everything else takes one step after the other."""

    def __init__(self, db: Database, arrivals: Arrivals, inbox: Inbox, updates: Updates) -> None:
        self._db, self._arrivals, self._inbox, self._updates = db, arrivals, inbox, updates

    def take(self, assistant_id: int, chat_id: int, thread_id: int | None, words: Sequence[Words]) -> None:
        """Store the words of one chat in their order, all or none. What is known already changes nothing.

        Raises:
            NotFound: the assistant is gone. ValidationFailed: one of them cannot be kept as it is.
        """
        with self._db.transaction():
            view = self._arrivals.open(assistant_id, chat_id, thread_id, words[-1].contact)
            for one in words:
                self._inbox.receive(InboundMessage(Channel.TELEGRAM, view.dialog_id, one.text, one.key))
            self._updates.done(*(one.row_id for one in words))
