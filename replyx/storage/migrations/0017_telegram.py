"""Telegram's inbox, the leases of bots, and files that customers send. A frozen copy, independent of today's tables."""

from typing import Any

import peewee


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


class TelegramUpdate(peewee.Model):
    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    bot_id = peewee.BigIntegerField()
    update_id = peewee.BigIntegerField()
    payload = peewee.TextField()
    state = peewee.CharField(8)
    attempts = peewee.IntegerField()
    due_at = peewee.BigIntegerField()
    received_at = peewee.BigIntegerField()
    error = peewee.CharField(300, null=True)

    class Meta:
        legacy_table_names = False
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


class TelegramBot(peewee.Model):
    assistant = peewee.ForeignKeyField(Assistant, primary_key=True, on_delete="CASCADE")
    holder = peewee.CharField(64, null=True)
    lease_until = peewee.BigIntegerField()
    state = peewee.CharField(12)
    state_since = peewee.BigIntegerField()
    detail = peewee.CharField(300, null=True)
    refused_hash = peewee.CharField(64, null=True)
    webhook_hash = peewee.CharField(64, null=True)

    class Meta:
        legacy_table_names = False
        table_name = "telegram_bots"


class Attachment(peewee.Model):
    id = peewee.BigAutoField()
    dialog = peewee.ForeignKeyField(Dialog, on_delete="CASCADE")
    seq = peewee.IntegerField()
    kind = peewee.CharField(16)
    filename = peewee.CharField(255)
    content_type = peewee.CharField(100)
    size = peewee.BigIntegerField()
    sha256 = peewee.CharField(64)
    storage_name = peewee.CharField(64)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "attachments"
        indexes = ((("dialog", "seq"), False),)


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    models = [TelegramUpdate, TelegramBot, Attachment]
    # Else SQLite gives the id of a deleted row to the next one.
    for model in (TelegramUpdate, Attachment):
        model.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
    db.execute_sql(
        'CREATE INDEX "dialogs_of_chat" ON "dialogs" ("assistant_id", "telegram_chat_id") '
        "WHERE telegram_chat_id IS NOT NULL"
    )
    db.execute_sql('ALTER TABLE "assistants" ADD COLUMN "telegram_api_base" VARCHAR(300)')
    db.execute_sql('ALTER TABLE "assistants" ADD COLUMN "telegram_proxy" TEXT')
    db.execute_sql('ALTER TABLE "assistants" ADD COLUMN "telegram_proxy_masked" VARCHAR(300)')
