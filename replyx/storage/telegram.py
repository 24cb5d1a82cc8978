"""The tables of what comes from Telegram: updates, who runs which bot, and the files that customers sent."""

from __future__ import annotations

import peewee

from replyx.storage.assistants import Assistant
from replyx.storage.database import Table
from replyx.storage.dialogs import Dialog
from replyx.storage.fields import IdField, MomentField


class TelegramUpdate(Table):
    """An update: committed here before its offset is confirmed. `new` until its effect is in the dialogs, then `done`.

    `dead` is one that could not be understood or processed; it stays to be looked at.
    """

    id = IdField()
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    #: Telegram's number of the bot, the part of its token before the colon: a new token of it is the same bot.
    bot_id = peewee.BigIntegerField()
    update_id = peewee.BigIntegerField()
    #: JSON in ASCII, as Telegram sent it.
    payload = peewee.TextField()
    state = peewee.CharField(8, default="new")
    attempts = peewee.IntegerField(default=0)
    #: Not before this time, in the database's milliseconds: a pause after a failed try.
    due_at = peewee.BigIntegerField(default=0)
    #: The database's milliseconds.
    received_at = peewee.BigIntegerField()
    error = peewee.CharField(300, null=True)

    class Meta:
        table_name = "telegram_updates"
        indexes = ((("bot_id", "update_id"), True), (("bot_id", "id"), False))


TelegramUpdate.add_index(
    peewee.ModelIndex(
        TelegramUpdate,
        [TelegramUpdate.assistant, TelegramUpdate.id],
        name="telegram_updates_open",
        where=peewee.SQL("state = 'new'"),
    )
)


class TelegramBot(Table):
    """What runs for an assistant's bot. A lease keeps its token from being polled twice."""

    assistant = peewee.ForeignKeyField(Assistant, primary_key=True, on_delete="CASCADE")
    #: Whose it is until `lease_until`, in the database's milliseconds.
    holder = peewee.CharField(64, null=True)
    lease_until = peewee.BigIntegerField(default=0)
    #: `starting`, `running`, `conflict`, `unreachable`, `refused`.
    state = peewee.CharField(12, default="starting")
    #: The database's milliseconds.
    state_since = peewee.BigIntegerField(default=0)
    #: What is wrong, for people; no secrets.
    detail = peewee.CharField(300, null=True)
    #: Hash of the token that Telegram refused: it is not tried again, another one is.
    refused_hash = peewee.CharField(64, null=True)
    #: SHA-256 of the secret that Telegram sends with each update; None where the bot is polled.
    webhook_hash = peewee.CharField(64, null=True)
    #: When its last update was stored, in the database's milliseconds.
    last_update_at = peewee.BigIntegerField(null=True)

    class Meta:
        table_name = "telegram_bots"


class Attachment(Table):
    """A file that a customer sent: its name and kind, and where it is in the folder of attachments."""

    id = IdField()
    dialog_id: int
    dialog = peewee.ForeignKeyField(Dialog, on_delete="CASCADE")
    #: The `seq` of the message that it came with.
    seq = peewee.IntegerField()
    kind = peewee.CharField(16)
    filename = peewee.CharField(255)
    content_type = peewee.CharField(100)
    size = peewee.BigIntegerField()
    sha256 = peewee.CharField(64)
    storage_name = peewee.CharField(64)
    created_at = MomentField()

    class Meta:
        table_name = "attachments"
        indexes = ((("dialog", "seq"), False),)
