"""The inbox: every customer message enters here, whatever its channel, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from replyx.config.settings import Config
from replyx.dialogs.access import access_dialog
from replyx.dialogs.handoff import Handoffs, mentions_keyword
from replyx.dialogs.views import MessageView, Receipt
from replyx.dialogs.writing import OPEN_STATES, Writing
from replyx.errors import ValidationFailed
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Message, Reply
from replyx.storage.prepared import Prepared, Slot
from replyx.types import SYSTEM, Channel, Handoff, HandoffReason, InboundMessage, Sender

#: Longest customer message, in characters.
MAX_TEXT = 8000

#: What the widget's button says for the customer: word for word it calls a person, whatever the keywords are.
BUTTON_TEXTS = ("Позовите оператора", "I want to talk to a human")


_KNOWN = Prepared(
    lambda: (
        Message.select()
        .where(Message.dialog == Slot("dialog"))
        .where((Message.sender == str(Sender.USER)) & (Message.external_id == Slot("external_id")))
        .limit(1)
    )
)


def clean_text(text: str, field: str = "text") -> str:
    """`text` without what no database and no screen can hold, trimmed.

    Raises:
        ValidationFailed: nothing is left, or it is longer than `MAX_TEXT`.
    """
    plain = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()
    if not plain:
        raise ValidationFailed.of(field, "Пустое сообщение: напишите текст", "The message is empty: write some text")
    if len(plain) > MAX_TEXT:
        raise ValidationFailed.of(
            field, f"Длиннее {MAX_TEXT} символов: разделите сообщение", f"Over {MAX_TEXT} characters: split the message"
        )
    return plain


def assistant_speaks(dialog: Dialog, config: Config) -> bool:
    """Whether it is the assistant's turn: nobody has taken the dialog, and a request does not silence it."""
    if dialog.handoff_status == Handoff.ACTIVE or not dialog.assistant.is_active:
        return False
    return not (dialog.handoff_status == Handoff.REQUESTED and config.handoff.silence_on_request)


class Inbox:
    """Receives customer messages."""

    def __init__(
        self,
        db: Database,
        writing: Writing,
        handoffs: Handoffs,
        config: Config,
        expect: Callable[[int, str], object] = lambda _assistant_id, _question: None,
    ) -> None:
        """`expect` is told of each question to an assistant before it is stored."""
        self._db, self._writing, self._handoffs, self._config = db, writing, handoffs, config
        self._expect = expect

    def receive(self, inbound: InboundMessage) -> Receipt:
        """Store a customer's message and note the answer that is owed for it: one transaction, or nothing.

        The same `external_id` again answers the first receipt and changes nothing.

        Raises:
            NotFound: no such dialog. ValidationFailed: empty or too long.
        """
        text = clean_text(inbound.text)
        with self._db.transaction():
            dialog = access_dialog(self._db, SYSTEM, inbound.dialog_id, lock=True)
            first = self._first_receipt(inbound)
            if first is not None:
                return first
            message = self._writing.add_message(dialog, Sender.USER, text, external_id=inbound.external_id)
            reason = self._asks_for_person(text, dialog) if inbound.expects_answer else None
            if reason is not None:
                self._handoffs.request_locked(dialog, reason, note=text)
                return Receipt(message, duplicate=False, reply_id=None)
            if not dialog.assistant.is_active:
                self._handoffs.request_locked(dialog, HandoffReason.POLICY, note=text)
            if not inbound.expects_answer or not assistant_speaks(dialog, self._config):
                return Receipt(message, duplicate=False, reply_id=None)
            reply_id = self._writing.owe_reply(dialog, message.seq, message.seq)
            # While the disk is waited for.
            self._expect(dialog.assistant_id, text)
            return Receipt(message, duplicate=False, reply_id=reply_id)

    def _asks_for_person(self, text: str, dialog: Dialog) -> HandoffReason | None:
        """Why this message calls a person; None where it does not."""
        is_button = text in BUTTON_TEXTS
        if is_button and dialog.platform == Channel.TELEGRAM:
            # There a button is a button; in the widget it says words that people type as well.
            return HandoffReason.BUTTON
        keywords = dialog.assistant.handoff_keywords
        if mentions_keyword(text, self._config.handoff.keywords if keywords is None else keywords):
            return HandoffReason.KEYWORD
        return HandoffReason.BUTTON if is_button else None

    def _first_receipt(self, inbound: InboundMessage) -> Receipt | None:
        if inbound.external_id is None:
            return None
        known = _KNOWN.bind(dialog=inbound.dialog_id, external_id=inbound.external_id).first()
        if known is None:
            return None
        owed = Reply.get_or_none((Reply.dialog == inbound.dialog_id) & Reply.state.in_(OPEN_STATES))
        return Receipt(MessageView.of(known), duplicate=True, reply_id=owed.id if owed else None)
