"""Tables of what is owed to Telegram: deliveries of messages to customers, and answers shown while they are written."""

from __future__ import annotations

import peewee

from replyx.storage.assistants import Assistant
from replyx.storage.database import Table
from replyx.storage.dialogs import Dialog, Message
from replyx.storage.fields import IdField, MomentField


class Delivery(Table):
    """A message, or a part of a long one, on its way to a chat: new → sending → sent | failed | maybe_sent.

    `fence` grows with each try; what is noted under an old fence is refused. Leases are the database's milliseconds.
    """

    id = IdField()
    message_id: int
    dialog_id: int
    assistant_id: int
    message = peewee.ForeignKeyField(Message, on_delete="CASCADE")
    part = peewee.IntegerField(default=0)
    dialog = peewee.ForeignKeyField(Dialog, on_delete="CASCADE")
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    #: Parts of the message; None until the first try, which makes rows for the others.
    parts = peewee.IntegerField(null=True)
    state = peewee.CharField(10, default="new")
    fence = peewee.IntegerField(default=0)
    attempts = peewee.IntegerField(default=0)
    #: Tries of which nobody knows whether the customer saw them.
    doubts = peewee.IntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)
    due_at = peewee.BigIntegerField(default=0)
    telegram_message_id = peewee.BigIntegerField(null=True)
    last_error = peewee.CharField(300, null=True)
    created_at = MomentField()
    done_at = MomentField(null=True)

    class Meta:
        table_name = "deliveries"
        indexes = ((("message", "part"), True),)


# What is still to be done is little, whatever was ever sent.
Delivery.add_index(
    peewee.ModelIndex(
        Delivery,
        [Delivery.assistant, Delivery.dialog],
        name="deliveries_open",
        where=peewee.SQL("state IN ('new', 'sending')"),
    )
)
Delivery.add_index(
    peewee.ModelIndex(
        Delivery, [Delivery.state], name="deliveries_odd", where=peewee.SQL("state <> 'sent' OR doubts > 0")
    )
)


class TelegramDraft(Table):
    """A message of Telegram that shows an answer while it is written; its delivery turns it into the answer."""

    id = IdField()
    reply_id = peewee.BigIntegerField(unique=True)
    dialog_id: int
    dialog = peewee.ForeignKeyField(Dialog, on_delete="CASCADE")
    telegram_message_id = peewee.BigIntegerField()
    created_at = MomentField()

    class Meta:
        table_name = "telegram_drafts"
