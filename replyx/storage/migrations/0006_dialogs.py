"""Dialogs, replies, messages, events. A frozen copy of the tables as they were, independent of today's."""

from typing import Any

import peewee


class User(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        table_name = "users"


class Assistant(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        table_name = "assistants"


class Dialog(peewee.Model):
    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, backref="dialogs", on_delete="CASCADE")
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    platform = peewee.CharField(12)
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
    handoff_requested_at = peewee.BigIntegerField(null=True)
    handoff_note = peewee.TextField(null=True)
    taken_over_by = peewee.BigIntegerField(null=True)
    operator_name = peewee.CharField(100, null=True)
    failed_turns = peewee.IntegerField(default=0)
    read_by_user = peewee.IntegerField(default=0)
    read_by_operator = peewee.IntegerField(default=0)
    last_seq = peewee.IntegerField(default=0)
    last_message = peewee.CharField(200, default="")
    last_message_time = peewee.BigIntegerField(null=True)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "dialogs"
        indexes = ((("user", "handoff_status", "handoff_requested_at"), False),)


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
            [*_first, peewee.fn.COALESCE(Dialog.last_message_time, peewee.SQL("0")), Dialog.id],
            name=f"dialogs_{_name}",
            where=peewee.SQL(_where) if _where else None,
        )
    )


class Reply(peewee.Model):
    id = peewee.BigAutoField()
    dialog = peewee.ForeignKeyField(Dialog, backref="replies", on_delete="CASCADE")
    state = peewee.CharField(10, default="pending")
    first_seq = peewee.IntegerField()
    upto_seq = peewee.IntegerField()
    fence = peewee.IntegerField(default=0)
    attempts = peewee.IntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)
    due_at = peewee.BigIntegerField(default=0)
    hold_id = peewee.BigIntegerField(null=True)
    last_error = peewee.CharField(300, null=True)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "replies"
        indexes = ((("state", "due_at"), False),)


Reply.add_index(
    peewee.ModelIndex(
        Reply, [Reply.dialog], unique=True, name="replies_one_open", where=peewee.SQL("state IN ('pending', 'working')")
    )
)


class Message(peewee.Model):
    id = peewee.BigAutoField()
    dialog = peewee.ForeignKeyField(Dialog, backref="messages", on_delete="CASCADE")
    seq = peewee.IntegerField()
    sender = peewee.CharField(10)
    text = peewee.TextField()
    operator_name = peewee.CharField(100, null=True)
    external_id = peewee.CharField(128, null=True)
    reply_id = peewee.BigIntegerField(null=True, unique=True)
    engine = peewee.CharField(12, null=True)
    outcome = peewee.CharField(12, null=True)
    sources = peewee.TextField(null=True)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "messages"
        indexes = ((("dialog", "seq"), True), (("dialog", "external_id"), True))


class Event(peewee.Model):
    id = peewee.BigAutoField()
    dialog = peewee.ForeignKeyField(Dialog, on_delete="CASCADE")
    seq = peewee.IntegerField()
    type = peewee.CharField(32)
    payload = peewee.TextField()
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "events"
        indexes = ((("dialog", "seq"), True),)


def up(migrator: Any, db: Any) -> None:
    models = [Dialog, Reply, Message, Event]
    # Else SQLite gives the id of a deleted row to the next one.
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    for model in (Dialog, Reply):
        model.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
