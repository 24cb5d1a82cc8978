"""Widget sessions: a visitor's dialog, found again by its token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from replyx.accounts.tokens import Tokens
from replyx.assistants.views import AssistantView
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.dialogs.views import MessageView
from replyx.errors import NotAuthenticated, NotFound
from replyx.security.tokens import Claims, TokenKind
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Message
from replyx.types import Actor, Channel, Contact, Role

#: Messages that a returning visitor is shown at once; earlier ones are fetched.
_SHOWN = 200


@dataclass(frozen=True)
class Session:
    """What a widget needs to talk: its dialog, the token that opens it, and what was said so far."""

    dialog_id: int
    dialog_key: str
    visitor_token: str
    messages: tuple[MessageView, ...]
    last_seq: int
    #: Who answers: the assistant, nobody yet, or the operator of this name.
    handoff_status: str
    operator_name: str | None


class Sessions:
    """Opens dialogs for the website, the API and the command line."""

    def __init__(self, db: Database, tokens: Tokens, clock: Clock, config: Config) -> None:
        self._db, self._tokens, self._clock, self._config = db, tokens, clock, config

    def open(self, assistant: AssistantView, visitor_token: str | None, contact: Contact) -> Session:
        """The visitor's dialog with this assistant: the one its token names, else a new one.

        A token that is old, forged or another assistant's opens a new dialog: the visitor is a new one.
        """
        with self._db.transaction():
            dialog = self._known(assistant.id, visitor_token)
            if dialog is None:
                dialog = self.create_dialog(assistant, Channel.WEBSITE, contact)
            else:
                self.complete(dialog, contact)
            seconds = self._config.security.visitor_token_days * 86_400
            token = self._tokens.issue(TokenKind.VISITOR, dialog.dialog_key, seconds, did=dialog.id)
            rows = list(Message.select().where(Message.dialog == dialog.id).order_by(Message.seq.desc()).limit(_SHOWN))
            messages = tuple(MessageView.of(row) for row in reversed(rows))
            return Session(
                dialog_id=dialog.id,
                dialog_key=dialog.dialog_key,
                visitor_token=token,
                messages=messages,
                last_seq=dialog.last_seq,
                handoff_status=dialog.handoff_status,
                operator_name=dialog.operator_name,
            )

    def start(self, assistant: AssistantView, channel: Channel, contact: Contact) -> int:
        """A new dialog; answers its id."""
        with self._db.transaction():
            dialog_id: int = self.create_dialog(assistant, channel, contact).id
            return dialog_id

    def create_dialog(self, assistant: AssistantView, channel: Channel, contact: Contact) -> Dialog:
        """The row of a new dialog, inside the caller's transaction."""
        return Dialog.create(
            assistant=assistant.id,
            user=assistant.user_id,
            platform=str(channel),
            dialog_key=secrets.token_hex(16),
            telegram_chat_id=contact.telegram_chat_id,
            telegram_username=contact.telegram_username,
            first_name=_cut(contact.first_name, 100),
            last_name=_cut(contact.last_name, 100),
            email=_cut(contact.email, 254),
            locale=_cut(contact.locale, 16),
            page_url=_cut(contact.page_url, 500),
            created_at=self._clock.now(),
        )

    def complete(self, dialog: Dialog, contact: Contact) -> None:
        """Keep what the customer tells of itself later, in the caller's transaction; nothing erases what is known."""
        news = {
            "first_name": _cut(contact.first_name, 100),
            "last_name": _cut(contact.last_name, 100),
            "email": _cut(contact.email, 254),
            "locale": _cut(contact.locale, 16),
            "page_url": _cut(contact.page_url, 500),
            "telegram_username": _cut(contact.telegram_username, 64),
        }
        changed = {key: value for key, value in news.items() if value and value != getattr(dialog, key)}
        if changed:
            Dialog.update(**changed).where(Dialog.id == dialog.id).execute()

    def authenticate(self, visitor_token: str, dialog_key: str) -> Actor:
        """The visitor of `dialog_key`, proven by its token.

        Raises:
            NotAuthenticated, TokenExpired: the token is not good. NotFound: it is another dialog's, or the dialog or
                its assistant is gone.
        """
        claims = self._tokens.read(visitor_token, TokenKind.VISITOR)
        # As bytes: a key from a URL may have any characters, which are not compared as text.
        if not secrets.compare_digest(claims.subject.encode(), dialog_key.encode()):
            raise NotFound("Диалог не найден", "No such dialog")
        with self._db.connection():
            # Only its id: this is asked for with every request and socket of a visitor.
            dialog = Dialog.select(Dialog.id).where(Dialog.dialog_key == dialog_key).first()
        if dialog is None or dialog.id != claims.extra.get("did"):
            raise NotFound("Диалог не найден", "No such dialog")
        return _visitor(dialog.id, claims)

    def authenticate_again(self, visitor_token: str, dialog_id: int) -> Actor:
        """The visitor of a dialog that is known by its id, proven by a newer token.

        Raises:
            NotAuthenticated, TokenExpired: the token is not good. NotFound: it is another dialog's.
        """
        claims = self._tokens.read(visitor_token, TokenKind.VISITOR)
        with self._db.connection():
            same = (Dialog.id == dialog_id) & (Dialog.dialog_key == claims.subject)
            if claims.extra.get("did") != dialog_id or not Dialog.select(Dialog.id).where(same).exists():
                raise NotFound("Диалог не найден", "No such dialog")
        return _visitor(dialog_id, claims)

    def _known(self, assistant_id: int, visitor_token: str | None) -> Dialog | None:
        if not visitor_token:
            return None
        try:
            claims: Claims = self._tokens.read(visitor_token, TokenKind.VISITOR)
        except NotAuthenticated:
            return None
        return Dialog.get_or_none((Dialog.dialog_key == claims.subject) & (Dialog.assistant == assistant_id))


def _visitor(dialog_id: int, claims: Claims) -> Actor:
    return Actor(Role.VISITOR, dialog_id=dialog_id, token_id=claims.jti, ends_at=claims.expires_at)


def _cut(text: str | None, size: int) -> str | None:
    plain = (text or "").replace("\x00", "").strip()
    return plain[:size] or None
