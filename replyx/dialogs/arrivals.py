"""Customers of Telegram arrive: one dialog for each chat of a bot, and in forums for each topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from replyx.assistants.views import AssistantView
from replyx.dialogs.sessions import Sessions
from replyx.dialogs.texts import say
from replyx.errors import NotFound
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Message
from replyx.storage.prepared import Prepared, Slot
from replyx.types import Channel, Contact, Handoff


def _door(in_topic: Callable[[], Any]) -> Prepared[Any]:
    def read() -> Any:
        here = (Dialog.assistant == Slot("assistant")) & (Dialog.telegram_chat_id == Slot("chat"))
        return Dialog.select().where(here & in_topic()).order_by(Dialog.id.desc()).limit(1)

    return Prepared(read)


_CHAT = _door(lambda: Dialog.telegram_thread_id.is_null())
_TOPIC = _door(lambda: Dialog.telegram_thread_id == Slot("thread"))

#: The statement that reads an assistant, and the one that also locks it.
_ASSISTANT = (
    Prepared(lambda: Assistant.select().where(Assistant.id == Slot("assistant")).limit(1)),
    Prepared(lambda: Assistant.select().where(Assistant.id == Slot("assistant")).limit(1).for_update()),
)


@dataclass(frozen=True)
class ChatView:
    """What an edge needs to know of a chat's dialog."""

    dialog_id: int
    #: `ru` or `en`, the customer's.
    language: str
    #: What greets a newcomer.
    welcome: str
    #: An operator speaks: the assistant's notices would be in the way.
    is_taken_over: bool


class Arrivals:
    """Finds and opens the dialogs of chats."""

    def __init__(self, db: Database, sessions: Sessions) -> None:
        self._db, self._sessions = db, sessions

    def open(self, assistant_id: int, chat_id: int, thread_id: int | None, contact: Contact) -> ChatView:
        """The chat's dialog, made where there is none; names that changed since are kept.

        Raises:
            NotFound: the assistant is gone.
        """
        with self._db.connection():
            known = self._find(assistant_id, chat_id, thread_id)
        with self._db.transaction():
            # Newcomers queue here, so that two processes do not open one chat twice.
            row = _ASSISTANT[known is None and not self._db.is_sqlite].bind(assistant=assistant_id).first()
            if row is None:
                raise NotFound("Ассистент не найден", "No such assistant")
            dialog = known or self._find(assistant_id, chat_id, thread_id)
            if dialog is None:
                dialog = self._sessions.create_dialog(AssistantView.of(row), Channel.TELEGRAM, contact)
                if thread_id is not None:
                    Dialog.update(telegram_thread_id=thread_id).where(Dialog.id == dialog.id).execute()
            else:
                self._sessions.complete(dialog, contact)
            language = "en" if (contact.locale or dialog.locale or "ru").lower().startswith("en") else "ru"
            welcome = row.welcome_text or say("greeting", language)
            return ChatView(dialog.id, language, welcome, dialog.handoff_status == Handoff.ACTIVE)

    def said(self, dialog_id: int, external_id: str) -> str | None:
        """The text of a message by its channel's own key; None where it was not said here."""
        with self._db.connection():
            mine = (Message.dialog == dialog_id) & (Message.external_id == external_id)
            text: str | None = Message.select(Message.text).where(mine).scalar()
            return text

    def _find(self, assistant_id: int, chat_id: int, thread_id: int | None) -> Dialog | None:
        door = _CHAT if thread_id is None else _TOPIC
        found: Dialog | None = door.bind(assistant=assistant_id, chat=str(chat_id), thread=thread_id).first()
        return found
