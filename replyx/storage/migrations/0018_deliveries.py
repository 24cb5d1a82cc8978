"""Deliveries to Telegram, and operators who work there. A frozen copy of the tables as they were."""

from typing import Any

import peewee


class User(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "users"


class Assistant(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "assistants"


class Dialog(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "dialogs"


class Message(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "messages"


class Delivery(peewee.Model):
    id = peewee.BigAutoField()
    message = peewee.ForeignKeyField(Message, on_delete="CASCADE")
    part = peewee.IntegerField(default=0)
    dialog = peewee.ForeignKeyField(Dialog, on_delete="CASCADE")
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    parts = peewee.IntegerField(null=True)
    state = peewee.CharField(10, default="new")
    fence = peewee.IntegerField(default=0)
    attempts = peewee.IntegerField(default=0)
    doubts = peewee.IntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)
    due_at = peewee.BigIntegerField(default=0)
    telegram_message_id = peewee.BigIntegerField(null=True)
    last_error = peewee.CharField(300, null=True)
    created_at = peewee.BigIntegerField()
    done_at = peewee.BigIntegerField(null=True)

    class Meta:
        legacy_table_names = False
        table_name = "deliveries"
        indexes = ((("message", "part"), True),)


class TelegramDraft(peewee.Model):
    id = peewee.BigAutoField()
    reply_id = peewee.BigIntegerField(unique=True)
    dialog = peewee.ForeignKeyField(Dialog, on_delete="CASCADE")
    telegram_message_id = peewee.BigIntegerField()
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "telegram_drafts"


class TelegramTopic(peewee.Model):
    id = peewee.BigAutoField()
    dialog = peewee.ForeignKeyField(Dialog, unique=True, on_delete="CASCADE")
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    group_id = peewee.BigIntegerField()
    thread_id = peewee.BigIntegerField(null=True)
    panel_id = peewee.BigIntegerField(null=True)
    panel_state = peewee.CharField(120, default="")
    shown_seq = peewee.IntegerField(default=0)
    is_closed = peewee.BooleanField(default=False)
    lease_until = peewee.BigIntegerField(default=0)
    last_error = peewee.CharField(300, null=True)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "telegram_topics"
        indexes = ((("group_id", "thread_id"), False),)


class TelegramOperator(peewee.Model):
    id = peewee.BigAutoField()
    user = peewee.ForeignKeyField(User, unique=True, on_delete="CASCADE")
    telegram_user_id = peewee.BigIntegerField(index=True)
    name = peewee.CharField(100)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "telegram_operators"


class TelegramLinkCode(peewee.Model):
    id = peewee.BigAutoField()
    user = peewee.ForeignKeyField(User, unique=True, on_delete="CASCADE")
    code_hash = peewee.CharField(64, unique=True)
    expires_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "telegram_link_codes"


TABLES = (Delivery, TelegramDraft, TelegramTopic, TelegramOperator, TelegramLinkCode)


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    kind = "INTEGER" if is_sqlite else "BIGINT"
    db.execute_sql(f'ALTER TABLE "dialogs" ADD COLUMN "telegram_thread_id" {kind}')
    db.execute_sql(f'ALTER TABLE "dialogs" ADD COLUMN "telegram_blocked_at" {kind}')
    db.execute_sql(f'ALTER TABLE "assistants" ADD COLUMN "telegram_group_id" {kind}')
    db.execute_sql('ALTER TABLE "messages" ADD COLUMN "rating" INTEGER')
    for table in TABLES:
        table.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx(TABLES, bind_refs=False, bind_backrefs=False):
        db.create_tables(TABLES)
    db.execute_sql(
        'CREATE INDEX "deliveries_open" ON "deliveries" ("assistant_id", "dialog_id") '
        "WHERE state IN ('new', 'sending')"
    )
    db.execute_sql('CREATE INDEX "deliveries_odd" ON "deliveries" ("state") WHERE state <> \'sent\' OR doubts > 0')
