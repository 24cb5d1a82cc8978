"""What customers do in a chat of Telegram beside writing: they rate answers; and which dialog a chat is."""

from __future__ import annotations

from typing import Any

from replyx.clock import Clock
from replyx.dialogs.access import access_dialog
from replyx.dialogs.postbox import Postbox
from replyx.dialogs.views import DialogView, MessageView
from replyx.errors import NotFound
from replyx.events import catalogue
from replyx.events.outbox import Outbox
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Message
from replyx.types import SYSTEM, Sender


class Chats:
    """Every method names the assistant whose bot was spoken to: another bot's chats are not there."""

    def __init__(self, db: Database, outbox: Outbox, postbox: Postbox, clock: Clock) -> None:
        self._db, self._outbox, self._postbox, self._clock = db, outbox, postbox, clock

    def dialog_of(self, assistant_id: int, chat_id: int, thread_id: int | None) -> DialogView:
        """The dialog of this chat, or of this topic of it.

        Raises:
            NotFound: there is none.
        """
        with self._db.connection():
            here = _in_chat(assistant_id, chat_id) & (
                Dialog.telegram_thread_id.is_null() if thread_id is None else Dialog.telegram_thread_id == thread_id
            )
            row = Dialog.select(Dialog.id).where(here).order_by(Dialog.id.desc()).first()
            if row is None:
                raise NotFound("Диалог не найден", "No such dialog")
            return DialogView.of(access_dialog(self._db, SYSTEM, row.id))

    def rate(self, assistant_id: int, chat_id: int, message_id: int, rating: int) -> MessageView:
        """Note what the customer thinks of an answer, 1 or -1; a later opinion takes the place of an earlier one.

        Raises:
            NotFound: there is no such answer in this chat.
        """
        with self._db.transaction():
            here = (Message.id == message_id) & (Message.sender == str(Sender.ASSISTANT))
            answer: Any = Message.get_or_none(here & Message.reply_id.is_null(False))
            if answer is None:
                raise NotFound("Ответ не найден", "No such answer")
            dialog = access_dialog(self._db, SYSTEM, answer.dialog_id, lock=True)
            if dialog.assistant_id != assistant_id or dialog.telegram_chat_id != str(chat_id):
                raise NotFound("Ответ не найден", "No such answer")
            changed = (
                Message.update(rating=rating)
                .where((Message.id == message_id) & (Message.rating.is_null() | (Message.rating != rating)))
                .execute()
            )
            if changed:
                body = {"message_id": message_id, "rating": rating}
                seq = self._outbox.next_seq(dialog.id)
                self._outbox.record(dialog.id, seq, catalogue.MESSAGE_RATED, body, self._clock.now())
                self._postbox.show_operators(dialog)
            return MessageView.of(Message.get_by_id(message_id))


def _in_chat(assistant_id: int, chat_id: int) -> Any:
    return (Dialog.assistant == assistant_id) & (Dialog.telegram_chat_id == str(chat_id))
