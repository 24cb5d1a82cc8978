"""The table of conversations in plugins' channels: which dialog each is, and how far it was answered."""

from __future__ import annotations

import peewee

from replyx.storage.assistants import Assistant
from replyx.storage.database import Table
from replyx.storage.dialogs import Dialog
from replyx.storage.fields import IdField


class ChannelLink(Table):
    """A dialog that a plugin's channel carries: what is up to `wanted_seq` is to be sent, up to `delivered_seq` was."""

    dialog_id: int

    id = IdField()
    channel = peewee.CharField(40)
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    #: The channel's own name of whom it speaks to.
    conversation = peewee.CharField(128)
    dialog = peewee.ForeignKeyField(Dialog, unique=True, on_delete="CASCADE")
    wanted_seq = peewee.IntegerField(default=0)
    delivered_seq = peewee.IntegerField(default=0)
    #: Not before this time, in the database's milliseconds: somebody is sending, or a try failed.
    due_at = peewee.BigIntegerField(default=0)
    #: Tries that failed since the last one that did not.
    failures = peewee.IntegerField(default=0)

    class Meta:
        table_name = "channel_links"
        indexes = ((("channel", "assistant", "conversation"), True),)


ChannelLink.add_index(
    peewee.ModelIndex(
        ChannelLink,
        [ChannelLink.channel, ChannelLink.due_at],
        name="channel_links_waiting",
        where=peewee.SQL("wanted_seq > delivered_seq"),
    )
)
