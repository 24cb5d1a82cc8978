"""What edges see of dialogs: frozen values that render themselves as the contract's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from replyx.clock import iso
from replyx.storage.dialogs import Dialog, Message
from replyx.types import Handoff, Json, Sender


@dataclass(frozen=True)
class MessageView:
    """One message. `sources`, `engine`, `reply_id` and `outcome` are the assistant's."""

    id: int
    dialog_id: int
    seq: int
    sender: str
    text: str
    created_at: datetime
    operator_name: str | None = None
    client_msg_id: str | None = None
    reply_id: int | None = None
    engine: str | None = None
    outcome: str | None = None
    sources: tuple[Json, ...] = ()
    #: The customer's opinion of an answer: 1 or -1.
    rating: int | None = None
    #: How far it is on its way to Telegram: `state`, `error`, `in_doubt`.
    delivery: Json | None = None
    #: Files that came with it: `id`, `kind`, `filename`, `content_type`, `size`.
    attachments: tuple[Json, ...] = ()

    @classmethod
    def of(cls, row: Message, delivery: Json | None = None, attachments: Sequence[Json] = ()) -> MessageView:
        return cls(
            id=row.id,
            dialog_id=row.dialog_id,
            seq=row.seq,
            sender=row.sender,
            text=row.text,
            created_at=row.created_at,
            operator_name=row.operator_name,
            client_msg_id=row.external_id,
            reply_id=row.reply_id,
            engine=row.engine,
            outcome=row.outcome,
            sources=tuple(row.sources or ()),
            rating=row.rating,
            delivery=delivery,
            attachments=tuple(attachments),
        )

    def as_json(self) -> Json:
        """The contract's message, with what the notes add for its sender."""
        body: Json = {
            "id": self.id,
            "sender": self.sender,
            "text": self.text,
            "created_at": iso(self.created_at),
            "seq": self.seq,
        }
        if self.sender == Sender.OPERATOR:
            body["operator_name"] = self.operator_name
        if self.sender != Sender.ASSISTANT and self.client_msg_id is not None:
            body["client_msg_id"] = self.client_msg_id
        if self.sender == Sender.ASSISTANT:
            body |= {
                "sources": list(self.sources),
                "engine": self.engine,
                "reply_id": self.reply_id,
                "outcome": self.outcome,
            }
        if self.rating is not None:
            body["rating"] = self.rating
        if self.delivery is not None:
            body["delivery"] = self.delivery
        if self.attachments:
            body["attachments"] = list(self.attachments)
        return body


@dataclass(frozen=True)
class DialogView:
    """One dialog as its tenant sees it."""

    id: int
    assistant_id: int
    assistant_name: str
    user_id: int
    platform: str
    dialog_key: str
    telegram_chat_id: str | None
    telegram_username: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    status: str
    handoff_status: str
    handoff_reason: str | None
    handoff_requested_at: datetime | None
    handoff_note: str | None
    taken_over_by: int | None
    operator_name: str | None
    last_seq: int
    last_message: str
    last_message_time: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: Dialog) -> DialogView:
        """From a row that was selected together with its assistant."""
        return cls(
            assistant_id=row.assistant_id,
            assistant_name=row.assistant.name,
            user_id=row.user_id,
            **{
                name: getattr(row, name)
                for name in cls.__dataclass_fields__
                if name not in ("assistant_id", "assistant_name", "user_id")
            },
        )

    @property
    def is_taken_over(self) -> bool:
        return self.handoff_status == Handoff.ACTIVE

    def list_json(self) -> Json:
        """A row of `GET /api/dialogs`."""
        return {
            **self._common(),
            "last_message": self.last_message,
            "last_message_time": iso(self.last_message_time) if self.last_message_time else None,
            "created_at": iso(self.created_at),
        }

    def as_json(self) -> Json:
        """`GET /api/dialogs/{id}`."""
        body = self._common()
        body["assistant_name"] = self.assistant_name
        body |= {
            "handoff_reason": self.handoff_reason,
            "handoff_requested_at": iso(self.handoff_requested_at) if self.handoff_requested_at else None,
            "handoff_note": self.handoff_note,
            "taken_over_by": self.taken_over_by,
            "operator_name": self.operator_name,
            "last_seq": self.last_seq,
            "created_at": iso(self.created_at),
        }
        return body

    def _common(self) -> Json:
        return {
            "id": self.id,
            "assistant_id": self.assistant_id,
            "platform": self.platform,
            "telegram_chat_id": self.telegram_chat_id,
            "telegram_username": self.telegram_username,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "status": self.status,
            "handoff_status": self.handoff_status,
            "is_taken_over": self.is_taken_over,
        }


@dataclass(frozen=True)
class Receipt:
    """What became of an inbound message. `duplicate`: it was there already, and this is the first one's receipt.

    `reply_id` is the answer that is owed for it; None where a person is to answer.
    """

    message: MessageView
    duplicate: bool
    reply_id: int | None
