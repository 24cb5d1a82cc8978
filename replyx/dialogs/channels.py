"""Conversations in plugins' channels: a customer's message finds its dialog, and answers are sent in order.

How far a conversation was answered is kept in its row, which is leased while somebody sends: whoever dies in between
leaves what was not confirmed to the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from replyx.assistants.assistants import Assistants
from replyx.dialogs.inbox import Inbox
from replyx.dialogs.sessions import Sessions
from replyx.dialogs.views import MessageView
from replyx.errors import UniqueViolation, ValidationFailed
from replyx.plugins.channels import ChannelMessage, Outgoing
from replyx.storage.channels import ChannelLink
from replyx.storage.database import Database
from replyx.storage.dialogs import Message
from replyx.types import SYSTEM, Channel, InboundMessage, Sender

#: Characters of a conversation's name, and of a message's.
_LONGEST_NAME = 128

#: Seconds that one message may take to be sent before another process takes the conversation on.
LEASE_SECONDS = 40.0

#: Longest pause between two tries of the same message, in seconds.
_LONGEST_PAUSE = 300.0

#: Messages of one conversation that are read at once.
_PAGE = 50


@dataclass(frozen=True)
class Conversation:
    """A conversation that this process may send to now."""

    link_id: int
    failures: int


class Conversations:
    """The domain's side of plugins' channels."""

    def __init__(self, db: Database, assistants: Assistants, sessions: Sessions, inbox: Inbox) -> None:
        self._db, self._assistants, self._sessions, self._inbox = db, assistants, sessions, inbox

    def door(self, channel: str) -> Door:
        """Where the messages of one channel enter."""
        return Door(self, channel)

    def receive(self, channel: str, message: ChannelMessage) -> int:
        """Store a message in the dialog of its conversation, a new one where there is none; answers the dialog's id.

        Raises:
            NotFound: no such assistant. ValidationFailed: the text or a name is empty or too long.
        """
        for field in ("conversation", "message_id"):
            _check_name(field, getattr(message, field))
        try:
            with self._db.transaction():
                return self._receive(channel, message)
        except UniqueViolation:
            # The conversation's first two messages came at once: by now its dialog is there.
            with self._db.transaction():
                return self._receive(channel, message)

    def take(self, channel: str, limit: int = 20) -> list[Conversation]:
        """Conversations with something to send that nobody else sends to; each is this process's for 40 seconds."""
        with self._db.transaction():
            now = self._db.now_ms()
            waits = ChannelLink.wanted_seq > ChannelLink.delivered_seq
            is_due = (ChannelLink.channel == channel) & waits & (ChannelLink.due_at <= now)
            rows = list(ChannelLink.select().where(is_due).order_by(ChannelLink.due_at).limit(limit))
            return [Conversation(row.id, row.failures) for row in rows if self._lease(row.id)]

    def take_back(self) -> None:
        """At the start of the only process there is: whoever was sending is gone."""
        with self._db.transaction():
            waits = ChannelLink.wanted_seq > ChannelLink.delivered_seq
            ChannelLink.update(due_at=0).where(waits & (ChannelLink.due_at > 0)).execute()

    def next_outgoing(self, taken: Conversation) -> list[Outgoing]:
        """What is to be sent now, in order; at most 50."""
        with self._db.connection():
            link = ChannelLink.get_or_none(ChannelLink.id == taken.link_id)
            if link is None:
                return []
            ours = Message.sender.in_((str(Sender.ASSISTANT), str(Sender.OPERATOR)))
            later = (Message.dialog == link.dialog_id) & (Message.seq > link.delivered_seq) & ours
            rows = Message.select().where(later).order_by(Message.seq).limit(_PAGE)
            return [
                Outgoing(link.dialog_id, link.conversation, row.seq, row.text, MessageView.of(row).as_json())
                for row in rows
            ]

    def delivered(self, taken: Conversation, seq: int) -> None:
        """Note that the message `seq` has been sent, or never will be; the conversation stays this process's."""
        with self._db.transaction():
            ChannelLink.update(delivered_seq=seq, failures=0, due_at=self._db.now_ms(LEASE_SECONDS)).where(
                (ChannelLink.id == taken.link_id) & (ChannelLink.delivered_seq < seq)
            ).execute()

    def release(self, taken: Conversation) -> None:
        """Nothing more is to be sent now."""
        with self._db.transaction():
            ChannelLink.update(due_at=0).where(ChannelLink.id == taken.link_id).execute()

    def postpone(self, taken: Conversation) -> None:
        """A message could not be sent: it is tried again, after an ever longer pause."""
        pause = min(_LONGEST_PAUSE, 2.0**taken.failures)
        with self._db.transaction():
            ChannelLink.update(failures=ChannelLink.failures + 1, due_at=self._db.now_ms(pause)).where(
                ChannelLink.id == taken.link_id
            ).execute()

    def _receive(self, channel: str, message: ChannelMessage) -> int:
        assistant = self._assistants.get(SYSTEM, message.assistant_id)
        known = ChannelLink.get_or_none(
            (ChannelLink.channel == channel)
            & (ChannelLink.assistant == assistant.id)
            & (ChannelLink.conversation == message.conversation)
        )
        if known is None:
            dialog_id = self._sessions.start(assistant, Channel.API, message.contact)
            ChannelLink.create(
                channel=channel, assistant=assistant.id, conversation=message.conversation, dialog=dialog_id
            )
        else:
            dialog_id = known.dialog_id
        self._inbox.receive(InboundMessage(Channel.API, dialog_id, message.text, message.message_id))
        return dialog_id

    def _lease(self, link_id: int) -> bool:
        now = self._db.now_ms()
        free = (ChannelLink.id == link_id) & (ChannelLink.due_at <= now)
        return bool(ChannelLink.update(due_at=self._db.now_ms(LEASE_SECONDS)).where(free).execute())


class Door:
    """What one channel is given."""

    def __init__(self, conversations: Conversations, channel: str) -> None:
        self._conversations, self._channel = conversations, channel

    def receive(self, message: ChannelMessage) -> int:
        """As `ChannelDoor.receive`."""
        return self._conversations.receive(self._channel, message)


def _check_name(field: str, name: str) -> None:
    if not name or len(name) > _LONGEST_NAME or "\x00" in name:
        raise ValidationFailed.of(
            field, f"Нужно от 1 до {_LONGEST_NAME} символов", f"1 to {_LONGEST_NAME} characters are needed"
        )
