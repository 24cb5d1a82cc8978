"""Dialogs as their tenant works with them: lists, messages, the operator's words, archive, export, deletion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import peewee

from replyx.billing.money import rubles
from replyx.clock import Clock, iso
from replyx.dialogs.access import access_dialog
from replyx.dialogs.attachments import attached_to
from replyx.dialogs.inbox import clean_text
from replyx.dialogs.postbox import delivery_states
from replyx.dialogs.texts import say
from replyx.dialogs.views import DialogView, MessageView
from replyx.dialogs.writing import Writing
from replyx.errors import NotFound
from replyx.events import catalogue
from replyx.events.bus import Bus
from replyx.events.outbox import Outbox
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import LATEST, Dialog, Message, Reply
from replyx.storage.row_counts import kept_count
from replyx.types import Actor, Json, Role, Sender


@dataclass(frozen=True)
class DialogFilter:
    """Which dialogs a list shows; None means any."""

    status: str | None = None
    handoff_status: str | None = None
    platform: str | None = None
    assistant_id: int | None = None
    limit: int = 50
    offset: int = 0


class Dialogs:
    """The tenant's view of dialogs."""

    def __init__(self, db: Database, bus: Bus, outbox: Outbox, writing: Writing, clock: Clock) -> None:
        self._db, self._bus, self._outbox, self._writing, self._clock = db, bus, outbox, writing, clock

    def list_for(self, actor: Actor, which: DialogFilter) -> tuple[list[DialogView], int]:
        """The page of dialogs that `which` asks for, newest word first, and how many there are in all.

        Raises:
            NotFound: the assistant is not the tenant's.
        """
        with self._db.connection():
            _check_assistant(actor, which.assistant_id)
            chosen = _chosen(actor, which)
            total = _how_many(actor, which)
            # The ids alone are read off an index: what an offset passes over is never looked at.
            page = Dialog.select(Dialog.id).where(*chosen).order_by(LATEST.desc(), Dialog.id.desc())
            ids = [row.id for row in page.limit(which.limit).offset(which.offset)]
            query = Dialog.select(Dialog, Assistant.id, Assistant.name).join(Assistant).where(Dialog.id.in_(ids))
            rows = {row.id: DialogView.of(row) for row in query}
            return [rows[number] for number in ids if number in rows], total

    def get(self, actor: Actor, dialog_id: int) -> DialogView:
        """One dialog. Raises NotFound."""
        with self._db.connection():
            return DialogView.of(access_dialog(self._db, actor, dialog_id))

    def messages(self, actor: Actor, dialog_id: int, *, after_seq: int = 0, limit: int = 200) -> list[MessageView]:
        """Messages with a `seq` over `after_seq`, oldest first. Raises NotFound."""
        with self._db.connection():
            dialog = access_dialog(self._db, actor, dialog_id)
            rows = (
                Message.select()
                .where((Message.dialog == dialog.id) & (Message.seq > after_seq))
                .order_by(Message.seq)
                .limit(limit)
            )
            return _completed(list(rows))

    def traces(self, actor: Actor, dialog_id: int, *, limit: int = 50, offset: int = 0) -> list[Json]:
        """How the dialog's answers came about, the newest first; an answer of an older ReplyX has no trace.

        Raises NotFound.
        """
        with self._db.connection():
            dialog = access_dialog(self._db, actor, dialog_id)
            rows: Any = (
                Message.select(Message.id, Message.seq, Message.created_at, Reply.id, Reply.trace)
                .join(Reply, on=(Message.reply_id == Reply.id))
                .where((Message.dialog == dialog.id) & Reply.trace.is_null(False))
                .order_by(Message.seq.desc())
                .limit(limit)
                .offset(offset)
                .tuples()
            )
            return [
                {"message_id": message, "seq": seq, "reply_id": reply, "created_at": iso(moment), **_for_people(trace)}
                for message, seq, moment, reply, trace in rows
            ]

    def events(self, actor: Actor, dialog_id: int, *, after_seq: int, limit: int = 200) -> list[Json]:
        """Events with a `seq` over `after_seq`, as listeners got them. Raises NotFound."""
        with self._db.connection():
            dialog = access_dialog(self._db, actor, dialog_id)
            return self._outbox.since(dialog.id, after_seq, limit)

    def say_as_operator(
        self, actor: Actor, dialog_id: int, text: str, operator_name: str | None = None, external_id: str | None = None
    ) -> MessageView:
        """An operator's words to the customer. The same `external_id` again answers the first message.

        Raises:
            NotFound: no such dialog. ValidationFailed: empty or too long.
        """
        plain = clean_text(text)
        with self._db.transaction():
            dialog = access_dialog(self._db, actor, dialog_id, lock=True)
            if external_id is not None:
                known = Message.get_or_none(
                    (Message.dialog == dialog.id)
                    & (Message.sender == str(Sender.OPERATOR))
                    & (Message.external_id == external_id)
                )
                if known is not None:
                    return MessageView.of(known)
            name = (operator_name or "").strip()[:100] or dialog.operator_name or say("operator", dialog.locale or "ru")
            return self._writing.add_message(
                dialog, Sender.OPERATOR, plain, operator_name=name, external_id=external_id
            )

    def find_message(self, actor: Actor, dialog_id: int, external_id: str) -> bool:
        """Whether the dialog has a message of this key. Raises NotFound."""
        with self._db.connection():
            dialog = access_dialog(self._db, actor, dialog_id)
            return Message.select().where((Message.dialog == dialog.id) & (Message.external_id == external_id)).exists()

    def mark_read(self, actor: Actor, dialog_id: int, seq: int) -> None:
        """Note how far the visitor or the operator has read; going back or past the end changes nothing."""
        with self._db.transaction():
            dialog = access_dialog(self._db, actor, dialog_id, lock=True)
            by_user = actor.role is Role.VISITOR
            column = Dialog.read_by_user if by_user else Dialog.read_by_operator
            if not getattr(dialog, column.name) < seq <= dialog.last_seq:
                return
            Dialog.update({column: seq}).where(Dialog.id == dialog.id).execute()
            reader = Sender.USER if by_user else Sender.OPERATOR
            self._outbox.record(
                dialog.id,
                self._outbox.next_seq(dialog.id),
                catalogue.READ,
                {"reader": str(reader), "read_seq": seq},
                self._clock.now(),
            )

    def show_typing(self, actor: Actor, dialog_id: int, operator_name: str | None = None) -> None:
        """Tell the dialog's other listeners that somebody types. Nothing is stored."""
        with self._db.connection():
            dialog = access_dialog(self._db, actor, dialog_id)
        body: Json = {"dialog_id": dialog.id, "timestamp": iso(self._clock.now())}
        if actor.role is Role.VISITOR:
            payload = {"type": catalogue.USER_TYPING, **body}
        else:
            name = operator_name or dialog.operator_name or say("operator", dialog.locale or "ru")
            payload = {"type": catalogue.OPERATOR_TYPING, "operator_name": name, **body}
        self._bus.publish(catalogue.dialog_topic(dialog.id), payload)

    def set_status(self, actor: Actor, dialog_id: int, status: str) -> DialogView:
        """`active` or `archived`. Raises NotFound."""
        with self._db.transaction():
            dialog = access_dialog(self._db, actor, dialog_id, lock=True)
            Dialog.update(status=status).where(Dialog.id == dialog.id).execute()
            self._writing.postbox.show_operators(dialog)
            return DialogView.of(access_dialog(self._db, actor, dialog_id))

    def export(self, actor: Actor, dialog_id: int) -> Json:
        """The whole dialog as one JSON object. Raises NotFound."""
        with self._db.connection():
            dialog = access_dialog(self._db, actor, dialog_id)
            rows = Message.select().where(Message.dialog == dialog.id).order_by(Message.seq)
            return {
                **DialogView.of(dialog).as_json(),
                "messages": [row.as_json() for row in _completed(list(rows))],
            }

    def delete(self, actor: Actor, dialog_id: int) -> None:
        """Delete the dialog with all that was said; its sockets close. Raises NotFound."""
        with self._db.transaction():
            dialog = access_dialog(self._db, actor, dialog_id, lock=True)
            self._writing.discard_open_reply(dialog.id)
            Dialog.delete().where(Dialog.id == dialog.id).execute()
            notice: Json = {"kind": "dialog_deleted", "dialog_id": dialog_id}
            self._db.after_commit(lambda: self._bus.publish(catalogue.CONTROL, notice))


def _for_people(trace: Json) -> Json:
    """A stored trace with its price in roubles."""
    return {**trace, "price": rubles(trace["price"])}


def _completed(rows: list[Message]) -> list[MessageView]:
    """Messages of one dialog with the files that came with them, and how far they are on their way."""
    states = delivery_states(row.id for row in rows if row.sender != Sender.USER)
    files = attached_to([row for row in rows if row.sender == Sender.USER])
    return [MessageView.of(row, states.get(row.id), files.get(row.seq, ())) for row in rows]


def _check_assistant(actor: Actor, assistant_id: int | None) -> None:
    if assistant_id is None:
        return
    query = Assistant.select().where(Assistant.id == assistant_id)
    if actor.role is not Role.SYSTEM:
        query = query.where(Assistant.user == actor.tenant_id)
    if not query.exists():
        raise NotFound("Ассистент не найден", "No such assistant")


def _how_many(actor: Actor, which: DialogFilter) -> int:
    """How many dialogs there are of those that `_chosen` chooses."""
    return kept_count(
        "dialogs",
        owner_id=None if actor.role is Role.SYSTEM else actor.tenant_id or 0,
        assistant_id=which.assistant_id,
        first=which.status,
        second=which.handoff_status,
        third=which.platform,
    )


def _chosen(actor: Actor, which: DialogFilter) -> list[Any]:
    """The conditions on dialogs that `actor` may see and `which` asks for, so that one of the indexes serves them."""
    # Every dialog has an id: there is always a condition.
    found: list[Any] = [Dialog.id > 0 if actor.role is Role.SYSTEM else Dialog.user == actor.tenant_id]
    for column, value in (
        (Dialog.status, which.status),
        (Dialog.handoff_status, which.handoff_status),
        (Dialog.platform, which.platform),
        (Dialog.assistant, which.assistant_id),
    ):
        if value is not None:
            found.append(column == value)
    # A partial index is taken where the query repeats its condition word for word; what is bound is not looked at.
    for wanted, condition in (
        (which.status == "archived", Dialog.status == peewee.SQL("'archived'")),
        (which.handoff_status not in (None, "none"), Dialog.handoff_status != peewee.SQL("'none'")),
        (which.platform not in (None, "website"), Dialog.platform != peewee.SQL("'website'")),
    ):
        if wanted:
            found.append(condition)
    return found
