"""Dialogs of Telegram without Telegram: what the inbound half would have made of a customer's words."""

from __future__ import annotations

from dataclasses import dataclass

from replyx.dialogs.deliveries import Parcel
from replyx.types import Channel, Contact, InboundMessage, Json
from tests.support.desk import Desk


@dataclass
class Chat:
    """A customer's dialog with the desk's assistant in Telegram."""

    desk: Desk
    dialog_id: int

    def say(self, text: str, external_id: str | None = None) -> int | None:
        """The customer says something; the reply that is owed for it."""
        return self.desk.app.inbox.receive(InboundMessage(Channel.TELEGRAM, self.dialog_id, text, external_id)).reply_id

    def ask(self, text: str = "Сколько стоит доставка?") -> int:
        """The customer asks, this thread answers; the answer's message id."""
        reply_id = self.say(text)
        assert reply_id is not None
        message = self.desk.app.answering.answer(reply_id)
        assert message is not None
        return message.id

    def operator_says(self, text: str) -> int:
        """An operator says something; the message's id."""
        return self.desk.app.dialogs.say_as_operator(self.desk.owner, self.dialog_id, text).id

    def claim(self) -> Parcel:
        """What is to be sent next."""
        parcel = self.desk.app.deliveries.claim(self.dialog_id)
        assert parcel is not None
        return parcel

    def deliveries(self) -> list[Json | None]:
        """How far each message that is not the customer's is."""
        rows = self.desk.app.dialogs.messages(self.desk.owner, self.dialog_id)
        return [row.delivery for row in rows if row.sender != "user"]

    def states(self) -> list[str]:
        return [delivery["state"] for delivery in self.deliveries() if delivery]


def open_chat(desk: Desk, chat_id: int = 4001, locale: str = "ru") -> Chat:
    """A new chat with the assistant."""
    contact = Contact(first_name="Иван", telegram_chat_id=str(chat_id), locale=locale)
    return Chat(desk, desk.app.sessions.start(desk.assistant, Channel.TELEGRAM, contact))
