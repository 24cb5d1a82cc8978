"""Small values that several layers share. No behaviour beyond their own form."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

#: A JSON object.
Json = dict[str, Any]


class Channel(StrEnum):
    """Where a message came from; also the `platform` of its dialog."""

    WEBSITE = "website"
    TELEGRAM = "telegram"
    API = "api"


class Sender(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    OPERATOR = "operator"


class Outcome(StrEnum):
    """How an answer ended."""

    ANSWERED = "answered"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"


class EngineName(StrEnum):
    """Which kind of engine wrote an answer."""

    REMOTE = "remote"
    LOCAL = "local"
    EXTRACTIVE = "extractive"
    QA = "qa"
    PLUGIN = "plugin"


class Handoff(StrEnum):
    NONE = "none"
    REQUESTED = "requested"
    ACTIVE = "active"
    RELEASED = "released"


class HandoffReason(StrEnum):
    KEYWORD = "keyword"
    BUTTON = "button"
    LOW_CONFIDENCE = "low_confidence"
    FAILED = "failed"
    POLICY = "policy"
    API = "api"


class Role(StrEnum):
    """What an actor is, for permissions."""

    ANONYMOUS = "anonymous"
    VISITOR = "visitor"
    #: Answers the dialogs of its owner, and sees nothing else of the tenant's.
    OPERATOR = "operator"
    OWNER = "owner"
    ADMIN = "admin"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who is asking. A visitor is bound to one dialog, a user to one tenant (`tenant_id`)."""

    role: Role
    user_id: int | None = None
    dialog_id: int | None = None
    #: The `jti` of the token that proved it; None for the command line and the system.
    token_id: str | None = None
    #: The user's `token_epoch` that the token was made under; a live socket's proof that it still counts.
    token_epoch: str | None = None
    #: Whose dialogs an operator answers; None for everyone else.
    owner_id: int | None = None
    #: When the token that proved it is over; None where it was no token.
    ends_at: datetime | None = field(default=None, compare=False)

    @property
    def tenant_id(self) -> int | None:
        """The user that the dialogs belong to: an operator's owner, anyone else's own id."""
        return self.user_id if self.owner_id is None else self.owner_id

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


SYSTEM = Actor(Role.SYSTEM)


@dataclass(frozen=True)
class Source:
    """A passage that an answer rests on, as the customer is shown it."""

    document_id: int | None
    filename: str | None
    page: int | None
    heading: str | None
    quote: str
    score: float
    url: str | None = None
    qa_id: int | None = None

    def as_json(self) -> Json:
        """The contract's source object; `qa_id` only where the source is a Q&A pair."""
        row: Json = {
            "document_id": self.document_id,
            "filename": self.filename,
            "page": self.page,
            "heading": self.heading,
            "quote": self.quote,
            "score": round(self.score, 4),
            "url": self.url,
        }
        if self.qa_id is not None:
            row["qa_id"] = self.qa_id
        return row


@dataclass(frozen=True)
class Contact:
    """What a channel knows of the customer."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    telegram_chat_id: str | None = None
    telegram_username: str | None = None
    locale: str | None = None
    page_url: str | None = None


@dataclass(frozen=True)
class InboundMessage:
    """One customer message as an edge hands it to `dialogs.receive`.

    `external_id` is the channel's own key of the message (widget: `client_msg_id`, Telegram: update id): the same
    key twice is the same message.
    """

    channel: Channel
    dialog_id: int
    text: str
    external_id: str | None = None
    contact: Contact = field(default_factory=Contact)
    #: Clear for what no assistant can answer, such as a picture without a word: it is stored, and no reply is owed.
    expects_answer: bool = True
