"""Tables of dialogs: messages, events, replies."""

from __future__ import annotations

import peewee

from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Table
from replyx.storage.fields import IdField, JsonField, MomentField


class Dialog(Table):
    """One customer's conversation with one assistant. `last_seq` numbers its events without a gap."""

    id = IdField()
    assistant_id: int
    user_id: int
    assistant = peewee.ForeignKeyField(Assistant, backref="dialogs", on_delete="CASCADE")
    #: The tenant, kept beside the assistant so that every query can name it.
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    platform = peewee.CharField(12)
    #: 128 random bits: what a visitor's socket names the dialog by.
    dialog_key = peewee.CharField(32, unique=True)
    telegram_chat_id = peewee.CharField(32, null=True)
    telegram_username = peewee.CharField(64, null=True)
    first_name = peewee.CharField(100, null=True)
    last_name = peewee.CharField(100, null=True)
    email = peewee.CharField(254, null=True)
    locale = peewee.CharField(16, null=True)
    page_url = peewee.CharField(500, null=True)
    status = peewee.CharField(10, default="active")
    handoff_status = peewee.CharField(10, default="none")
    handoff_reason = peewee.CharField(16, null=True)
    handoff_requested_at = MomentField(null=True)
    #: What the customer said when a person was asked for: a note for the operator, never part of a prompt.
    handoff_note = peewee.TextField(null=True)
    taken_over_by = peewee.BigIntegerField(null=True)
    operator_name = peewee.CharField(100, null=True)
    failed_turns = peewee.IntegerField(default=0)
    #: How far the customer and the operator have read, as a `seq`.
    read_by_user = peewee.IntegerField(default=0)
    read_by_operator = peewee.IntegerField(default=0)
    last_seq = peewee.IntegerField(default=0)
    last_message = peewee.CharField(200, default="")
    last_message_time = MomentField(null=True)
    created_at = MomentField()
    #: The forum topic of the customer's chat; None where the chat has none.
    telegram_thread_id = peewee.BigIntegerField(null=True)
    #: Since when Telegram says that the customer blocks the bot; None: it does not.
    telegram_blocked_at = MomentField(null=True)

    class Meta:
        table_name = "dialogs"
        indexes = ((("user", "handoff_status", "handoff_requested_at"), False),)


#: By what lists of dialogs are ordered, newest word first. PostgreSQL reads no list with nulls last off a plain index.
LATEST = peewee.fn.COALESCE(Dialog.last_message_time, peewee.SQL("0"))

# A page is read off an index, however many dialogs there are. What most dialogs are (`active`, `none`, `website`)
# needs no index of its own: the next fifty are never far.
for _name, _first, _where in (
    ("latest", (Dialog.user,), None),
    ("latest_of_assistant", (Dialog.user, Dialog.assistant), None),
    ("latest_archived", (Dialog.user,), "status = 'archived'"),
    ("latest_handoffs", (Dialog.user, Dialog.handoff_status), "handoff_status <> 'none'"),
    ("latest_elsewhere", (Dialog.user, Dialog.platform), "platform <> 'website'"),
):
    Dialog.add_index(
        peewee.ModelIndex(
            Dialog,
            [*_first, LATEST, Dialog.id],
            name=f"dialogs_{_name}",
            where=peewee.SQL(_where) if _where else None,
        )
    )


Dialog.add_index(
    peewee.ModelIndex(
        Dialog,
        [Dialog.assistant, Dialog.telegram_chat_id],
        name="dialogs_of_chat",
        where=peewee.SQL("telegram_chat_id IS NOT NULL"),
    )
)


class Reply(Table):
    """An answer that is owed: pending → working → done | discarded | dead. At most one open one a dialog.

    It answers the customer's messages `first_seq` … `upto_seq`. `fence` grows with each claim and with each new
    message; a commit under an old fence is refused. Leases are the database's time in milliseconds.
    """

    id = IdField()
    dialog_id: int
    dialog = peewee.ForeignKeyField(Dialog, backref="replies", on_delete="CASCADE")
    state = peewee.CharField(10, default="pending")
    first_seq = peewee.IntegerField()
    upto_seq = peewee.IntegerField()
    fence = peewee.IntegerField(default=0)
    attempts = peewee.IntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)
    #: Not before this time, in the database's milliseconds: a pause after a failed try.
    due_at = peewee.BigIntegerField(default=0)
    #: The hold of the try under way; None where nothing is held.
    hold_id = peewee.BigIntegerField(null=True)
    last_error = peewee.CharField(300, null=True)
    created_at = MomentField()
    #: How the answer came about, for the tenant: passages, engine, key, tokens, price, milliseconds. Until then, who
    #: writes it (`dialogs/leases.py`).
    trace = JsonField(null=True)

    class Meta:
        table_name = "replies"
        indexes = ((("state", "due_at"), False),)


Reply.add_index(
    peewee.ModelIndex(
        Reply, [Reply.dialog], unique=True, name="replies_one_open", where=peewee.SQL("state IN ('pending', 'working')")
    )
)


class Message(Table):
    """What was said. `seq` is the number of its `new_message` event."""

    id = peewee.BigAutoField()
    dialog_id: int
    dialog = peewee.ForeignKeyField(Dialog, backref="messages", on_delete="CASCADE")
    seq = peewee.IntegerField()
    sender = peewee.CharField(10)
    text = peewee.TextField()
    operator_name = peewee.CharField(100, null=True)
    #: The channel's own key of a message (`client_msg_id`, update id): the same one of the same side is the same.
    external_id = peewee.CharField(128, null=True)
    #: The reply that this message is, for the assistant's.
    reply_id = peewee.BigIntegerField(null=True, unique=True)
    engine = peewee.CharField(12, null=True)
    outcome = peewee.CharField(12, null=True)
    sources = JsonField(null=True)
    created_at = MomentField()
    #: What the customer thinks of an answer: 1 or -1; None: it did not say.
    rating = peewee.IntegerField(null=True)

    class Meta:
        table_name = "messages"
        indexes = ((("dialog", "seq"), True), (("dialog", "sender", "external_id"), True))


class Event(Table):
    """What listeners of a dialog are told, in order; a listener that was away reads it here."""

    id = peewee.BigAutoField()
    dialog = peewee.ForeignKeyField(Dialog, on_delete="CASCADE")
    seq = peewee.IntegerField()
    type = peewee.CharField(32)
    payload = JsonField()
    created_at = MomentField()

    class Meta:
        table_name = "events"
        indexes = ((("dialog", "seq"), True),)
