"""Tables of operators who work in Telegram: topics of dialogs in their group, and who is who."""

from __future__ import annotations

import peewee

from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Table
from replyx.storage.dialogs import Dialog
from replyx.storage.fields import IdField, MomentField


class TelegramTopic(Table):
    """A dialog's topic in the operators' group. It shows the dialog's events up to `shown_seq`.

    `panel_id` is the message with the buttons, `panel_state` what it says. The lease keeps two processes from making
    or filling one topic at the same time; it is the database's milliseconds.
    """

    id = IdField()
    dialog_id: int
    assistant_id: int
    dialog = peewee.ForeignKeyField(Dialog, unique=True, on_delete="CASCADE")
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    group_id = peewee.BigIntegerField()
    thread_id = peewee.BigIntegerField(null=True)
    panel_id = peewee.BigIntegerField(null=True)
    panel_state = peewee.CharField(120, default="")
    shown_seq = peewee.IntegerField(default=0)
    #: Closed by an operator; the next request for a person opens it again.
    is_closed = peewee.BooleanField(default=False)
    lease_until = peewee.BigIntegerField(default=0)
    last_error = peewee.CharField(300, null=True)
    created_at = MomentField()

    class Meta:
        table_name = "telegram_topics"
        indexes = ((("group_id", "thread_id"), False),)


class TelegramOperator(Table):
    """A Telegram account that proved to be a user's. One of each."""

    id = IdField()
    user_id: int
    user = peewee.ForeignKeyField(User, unique=True, on_delete="CASCADE")
    telegram_user_id = peewee.BigIntegerField(index=True)
    name = peewee.CharField(100)
    created_at = MomentField()

    class Meta:
        table_name = "telegram_operators"


class TelegramLinkCode(Table):
    """A code that links a Telegram account to a user, once; only its hash is kept. The database's milliseconds."""

    id = IdField()
    user_id: int
    user = peewee.ForeignKeyField(User, unique=True, on_delete="CASCADE")
    code_hash = peewee.CharField(64, unique=True)
    expires_at = peewee.BigIntegerField()

    class Meta:
        table_name = "telegram_link_codes"
