"""Deliveries to Telegram: claimed under a fence in the order of the dialog, and settled by what Telegram said.

Telegram has no idempotency key, so a try whose end nobody saw is in doubt: `bots.in_doubt` says whether it is made
once more, with a mark, or left as `maybe_sent`. Both are counted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import peewee

from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.dialogs.access import access_dialog
from replyx.dialogs.texts import language_of
from replyx.dialogs.views import MessageView
from replyx.dialogs.writing import OPEN_STATES, Writing
from replyx.errors import NotFound
from replyx.events import catalogue
from replyx.events.outbox import Outbox
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.deliveries import Delivery, TelegramDraft
from replyx.storage.dialogs import Dialog, Message, Reply
from replyx.storage.telegram_desk import TelegramTopic
from replyx.types import SYSTEM, Handoff

logger = logging.getLogger(__name__)

#: Seconds that one try may take before it counts as dead: longer than any request of a sender.
LEASE_SECONDS = 60.0

#: States of a delivery that is still to be made.
_OPEN = ("new", "sending")


@dataclass(frozen=True)
class Parcel:
    """The right to send one part of one message, and all that is needed for it."""

    delivery_id: int
    fence: int
    dialog_id: int
    chat_id: str
    thread_id: int | None
    #: `ru` or `en`, the customer's.
    language: str
    message: MessageView
    part: int
    #: None: nobody has counted the parts yet.
    parts: int | None
    #: How often it may have been sent already.
    doubts: int
    #: The message of Telegram that shows the answer's draft, to be turned into its first part.
    draft_id: int | None
    #: Whether the assistant speaks here, so that a person can still be called.
    may_call_person: bool
    #: Whether Telegram said that the customer blocks the bot.
    is_blocked: bool


class Deliveries:
    """What senders ask and tell."""

    def __init__(self, db: Database, outbox: Outbox, writing: Writing, clock: Clock, config: Config) -> None:
        self._db, self._outbox, self._writing, self._clock, self._config = db, outbox, writing, clock, config

    def notice(self, dialog_id: int, text: str, external_id: str | None = None) -> MessageView:
        """Tell the customer something that is no answer; the same `external_id` again is the same notice.

        Raises:
            NotFound: no such dialog.
        """
        with self._db.transaction():
            dialog = access_dialog(self._db, SYSTEM, dialog_id, lock=True)
            if external_id is not None:
                known = Message.get_or_none((Message.dialog == dialog.id) & (Message.external_id == external_id))
                if known is not None:
                    return MessageView.of(known)
            return self._writing.add_notice(dialog, text, external_id=external_id)

    def waiting_assistants(self) -> set[int]:
        """Assistants whose senders have something to do now."""
        with self._db.connection():
            rows = Delivery.select(Delivery.assistant).where(self._is_due()).distinct()
            return {row.assistant_id for row in rows}

    def waiting(self, assistant_id: int, limit: int = 200) -> list[int]:
        """Dialogs of the assistant in which something may be sent now, the longest waiting first."""
        with self._db.connection():
            rows = (
                Delivery.select(Delivery.dialog)
                .where((Delivery.assistant == assistant_id) & self._is_due())
                .group_by(Delivery.dialog)
                .order_by(peewee.fn.MIN(Delivery.message))
                .limit(limit)
            )
            return [row.dialog_id for row in rows]

    def take_back(self, assistant_id: int) -> int:
        """The bot is this process's alone: every try under way was a dead one's. Returns how many there were."""
        with self._db.transaction():
            mine = (Delivery.assistant == assistant_id) & (Delivery.state == "sending")
            taken: int = Delivery.update(lease_until=0).where(mine).execute()
            return taken

    def claim(self, dialog_id: int) -> Parcel | None:
        """The dialog's next part to be sent; None where there is none, or not yet, or somebody else sends it."""
        with self._db.transaction():
            try:
                dialog = access_dialog(self._db, SYSTEM, dialog_id, lock=True)
            except NotFound:
                return None
            while (head := self._head(dialog_id)) is not None:
                if head.state == "sending":
                    if not head.is_expired:
                        return None
                    if not self._doubt(dialog, head, "the sender ended in the middle"):
                        continue
                elif not head.is_due:
                    return None
                return self._take(dialog, head)
        return None

    def plan(self, parcel: Parcel, parts: int) -> bool:
        """Note how many parts the message has, before the first is sent. False: the claim is no longer good."""
        with self._db.transaction():
            if not Delivery.update(parts=parts).where(_claimed(parcel)).execute():
                return False
            first = Delivery.get_by_id(parcel.delivery_id)
            for part in range(1, parts):
                Delivery.create(
                    message=first.message_id,
                    part=part,
                    dialog=first.dialog_id,
                    assistant=first.assistant_id,
                    parts=parts,
                    created_at=first.created_at,
                )
            return True

    def sent(self, parcel: Parcel, telegram_message_id: int) -> bool:
        """It is in the chat. False: another try has been made meanwhile."""
        with self._db.transaction():
            if parcel.is_blocked:
                Dialog.update(telegram_blocked_at=None).where(Dialog.id == parcel.dialog_id).execute()
            changes = {"state": "sent", "telegram_message_id": telegram_message_id, "done_at": self._clock.now()}
            if not Delivery.update(**changes).where(_claimed(parcel)).execute():
                return False
            if parcel.draft_id is not None:
                TelegramDraft.delete().where(TelegramDraft.reply_id == parcel.message.reply_id).execute()
            return True

    def later(self, parcel: Parcel, seconds: float, reason: str) -> bool:
        """It was surely not sent: to be tried again in `seconds`."""
        with self._db.transaction():
            changes = {"state": "new", "due_at": self._db.now_ms(seconds), "last_error": reason[:300]}
            return bool(Delivery.update(**changes).where(_claimed(parcel)).execute())

    def in_doubt(self, parcel: Parcel, reason: str) -> bool:
        """Nobody knows whether it was sent. True: it is to be sent once more, with a mark."""
        with self._db.transaction():
            try:
                dialog = access_dialog(self._db, SYSTEM, parcel.dialog_id, lock=True)
            except NotFound:
                return False
            row = Delivery.get_or_none(_claimed(parcel))
            return row is not None and self._doubt(dialog, row, reason)

    def failed(self, parcel: Parcel, reason: str, *, is_blocked: bool = False) -> None:
        """Telegram will never take it: it and the parts behind it end here, and the operators are told."""
        with self._db.transaction():
            try:
                dialog = access_dialog(self._db, SYSTEM, parcel.dialog_id, lock=True)
            except NotFound:
                return
            changes = {"state": "failed", "last_error": reason[:300], "done_at": self._clock.now()}
            if not Delivery.update(**changes).where(_claimed(parcel)).execute():
                return
            rest = (Delivery.message == parcel.message.id) & Delivery.state.in_(_OPEN)
            Delivery.update(**changes).where(rest).execute()
            if is_blocked:
                Dialog.update(telegram_blocked_at=self._clock.now()).where(Dialog.id == dialog.id).execute()
            self._tell(dialog, parcel.message.id, "failed", reason)

    def set_blocked(self, assistant_id: int, chat_id: str, *, blocked: bool) -> None:
        """What Telegram says of the customer: it blocks the bot, or does so no longer."""
        with self._db.transaction():
            here = (Dialog.assistant == assistant_id) & (Dialog.telegram_chat_id == chat_id)
            moment = self._clock.now() if blocked else None
            Dialog.update(telegram_blocked_at=moment).where(here).execute()

    def move_chat(self, assistant_id: int, old: str, new: str) -> None:
        """A group became a supergroup with another id: dialogs and the operators' group follow."""
        with self._db.transaction():
            here = (Dialog.assistant == assistant_id) & (Dialog.telegram_chat_id == old)
            Dialog.update(telegram_chat_id=new).where(here).execute()
            ours = (Assistant.id == assistant_id) & (Assistant.telegram_group_id == int(old))
            if Assistant.update(telegram_group_id=int(new)).where(ours).execute():
                topics = (TelegramTopic.assistant == assistant_id) & (TelegramTopic.group_id == int(old))
                TelegramTopic.update(group_id=int(new)).where(topics).execute()

    def counts(self) -> dict[str, int]:
        """How many deliveries are `new`, `sending`, `failed`, `maybe_sent`; `in_doubt`: were in doubt at least once."""
        with self._db.connection():
            odd = Delivery.state != peewee.SQL("'sent'")
            count = peewee.fn.COUNT(Delivery.id).alias("count")
            rows: Iterable[Any] = Delivery.select(Delivery.state, count).where(odd).group_by(Delivery.state)
            found = dict.fromkeys(("new", "sending", "failed", "maybe_sent"), 0)
            found |= {row.state: row.count for row in rows}
            found["in_doubt"] = Delivery.select().where(Delivery.doubts > peewee.SQL("0")).count()
            return found

    def keep_draft(self, dialog_id: int, reply_id: int, telegram_message_id: int) -> None:
        """Remember the message that shows an answer while it is written."""
        with self._db.transaction():
            TelegramDraft.insert(
                reply_id=reply_id,
                dialog=dialog_id,
                telegram_message_id=telegram_message_id,
                created_at=self._clock.now(),
            ).on_conflict_ignore().execute()

    def stale_drafts(self, assistant_id: int) -> list[tuple[int, str, int]]:
        """Drafts whose answer will not come, as reply id, chat id and the message's id in it."""
        with self._db.connection():
            coming = Reply.select(Reply.id).where(Reply.state.in_(OPEN_STATES))
            came = (
                Message.select(Message.reply_id)
                .join(Delivery)
                .where(Delivery.state.in_(_OPEN) & Message.reply_id.is_null(False))
            )
            rows = (
                TelegramDraft.select(TelegramDraft, Dialog)
                .join(Dialog)
                .where(Dialog.assistant == assistant_id)
                .where(TelegramDraft.reply_id.not_in(coming) & TelegramDraft.reply_id.not_in(came))
            )
            return [(row.reply_id, row.dialog.telegram_chat_id or "", row.telegram_message_id) for row in rows]

    def forget_draft(self, reply_id: int) -> None:
        """The draft is gone from the chat."""
        with self._db.transaction():
            TelegramDraft.delete().where(TelegramDraft.reply_id == reply_id).execute()

    def _is_due(self) -> Any:
        now = self._db.now_ms()
        is_new = (Delivery.state == "new") & (Delivery.due_at <= now)
        is_dead = (Delivery.state == "sending") & (Delivery.lease_until < now)
        return peewee.SQL("state IN ('new', 'sending')") & (is_new | is_dead)

    def _head(self, dialog_id: int) -> Any:
        """The dialog's first open delivery, whether it may be sent yet, and whether its sender is dead."""
        now = self._db.now_ms()
        query = (
            Delivery.select(
                Delivery, (Delivery.due_at <= now).alias("is_due"), (Delivery.lease_until < now).alias("is_expired")
            )
            .where((Delivery.dialog == dialog_id) & Delivery.state.in_(_OPEN))
            .order_by(Delivery.message, Delivery.part)
            .limit(1)
        )
        return self._db.locked(query).first()

    def _take(self, dialog: Dialog, head: Any) -> Parcel | None:
        changes = {
            "state": "sending",
            "fence": head.fence + 1,
            "attempts": head.attempts + 1,
            "lease_until": self._db.now_ms(LEASE_SECONDS),
        }
        if not Delivery.update(**changes).where((Delivery.id == head.id) & (Delivery.fence == head.fence)).execute():
            return None
        message = MessageView.of(Message.get_by_id(head.message_id))
        draft = None
        if message.reply_id is not None and head.part == 0:
            draft = TelegramDraft.get_or_none(TelegramDraft.reply_id == message.reply_id)
        return Parcel(
            delivery_id=head.id,
            fence=head.fence + 1,
            dialog_id=dialog.id,
            chat_id=dialog.telegram_chat_id or "",
            thread_id=dialog.telegram_thread_id,
            language=language_of(dialog.locale),
            message=message,
            part=head.part,
            parts=head.parts,
            doubts=head.doubts,
            draft_id=draft.telegram_message_id if draft else None,
            may_call_person=dialog.handoff_status in (Handoff.NONE, Handoff.RELEASED),
            is_blocked=dialog.telegram_blocked_at is not None,
        )

    def _doubt(self, dialog: Dialog, row: Any, reason: str) -> bool:
        """Count the doubt and settle it by the policy. True: `row` is to be sent once more."""
        again = self._config.bots.in_doubt == "retry_once_marked" and row.doubts == 0
        changes: dict[str, Any] = {"state": "new" if again else "maybe_sent", "last_error": reason[:300]}
        changes |= {"doubts": row.doubts + 1, "fence": row.fence + 1}
        if not again:
            changes["done_at"] = self._clock.now()
        if not Delivery.update(**changes).where((Delivery.id == row.id) & (Delivery.fence == row.fence)).execute():
            return False
        row.doubts, row.fence = row.doubts + 1, row.fence + 1
        logger.warning(
            "a message may have been sent to Telegram or not",
            extra={"delivery_id": row.id, "dialog_id": row.dialog_id, "again": again, "reason": reason[:300]},
        )
        if not again:
            self._tell(dialog, row.message_id, "maybe_sent", reason)
        return again

    def _tell(self, dialog: Dialog, message_id: int, state: str, reason: str) -> None:
        body = {"message_id": message_id, "state": state, "reason": reason[:300]}
        seq = self._outbox.next_seq(dialog.id)
        self._outbox.record(dialog.id, seq, catalogue.DELIVERY_CHANGED, body, self._clock.now())
        self._writing.postbox.show_operators(dialog)


def _claimed(parcel: Parcel) -> Any:
    """The delivery's row, while the claim on it is good."""
    mine = (Delivery.id == parcel.delivery_id) & (Delivery.fence == parcel.fence)
    return mine & (Delivery.state == "sending")
