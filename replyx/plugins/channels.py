"""What a channel plugin and the core say to each other: customers' messages in, what they are answered out."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from replyx.types import Contact, Json


@dataclass(frozen=True)
class ChannelMessage:
    """A customer's message as a channel hands it in.

    `conversation` is the channel's own name of whom it speaks to (an address, a chat), `message_id` its own name of the
    message: the same one again is the same message. Both have at most 128 characters.
    """

    assistant_id: int
    conversation: str
    message_id: str
    text: str
    contact: Contact = Contact()


@dataclass(frozen=True)
class Outgoing:
    """What is to be sent to a customer: `message` as the API shows it, the assistant's or an operator's.

    Messages of a dialog come in order. One may come twice, after a crash: with the same `dialog_id` and `seq`.
    """

    dialog_id: int
    conversation: str
    seq: int
    text: str
    message: Json


class Undeliverable(Exception):
    """This message can never be sent, and is passed over. Any other error means: try again later."""


class ChannelDoor(Protocol):
    """Where customers' messages enter."""

    def receive(self, message: ChannelMessage) -> int:
        """Store the message for good, in the dialog of its conversation; answers the dialog's id.

        Raises:
            NotFound: there is no such assistant. ValidationFailed: the text or a name is empty or too long.
            DatabaseUnavailable: nothing was stored; the channel is to keep the message and hand it in again.
        """


class Channel(Protocol):
    """A way to speak with customers."""

    #: Small letters, digits and `_`, at most 40; names the channel's dialogs, so it must not change.
    name: str

    def open(self, door: ChannelDoor) -> None:
        """Keep the door. Called once in every process, before anything else; opens nothing."""

    def listen(self, stop: threading.Event) -> None:
        """Bring messages in until `stop` is set: in the bot manager's process, on a thread of the channel's own.

        A channel that hears through a route of its plugin returns at once. One that raises is called again.
        """

    def deliver(self, outgoing: Outgoing) -> None:
        """Send a message: in the bot manager's process, one at a time. At most 30 seconds, else it has failed.

        Raises:
            Undeliverable: it can never be sent. Any other error: it is tried again, and later ones of its dialog wait.
        """
