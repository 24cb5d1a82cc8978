"""Assistants. A frozen copy of the tables as they were, independent of today's."""

from typing import Any

import peewee


class User(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        table_name = "users"


class Assistant(peewee.Model):
    id = peewee.BigAutoField()
    user = peewee.ForeignKeyField(User, backref="assistants", on_delete="CASCADE")
    name = peewee.CharField(100)
    description = peewee.TextField(default="")
    system_prompt = peewee.TextField(default="")
    ai_model = peewee.CharField(100)
    is_active = peewee.BooleanField(default=True)
    telegram_token = peewee.TextField(null=True)
    telegram_token_masked = peewee.CharField(40, null=True)
    telegram_token_hash = peewee.CharField(64, null=True, unique=True)
    telegram_bot_username = peewee.CharField(64, null=True)
    website_integration = peewee.BooleanField(default=False)
    allowed_domains = peewee.TextField()
    site_token = peewee.CharField(64, null=True, unique=True)
    handoff_keywords = peewee.TextField(null=True)
    not_found_text = peewee.TextField(null=True)
    unavailable_text = peewee.TextField(null=True)
    welcome_text = peewee.TextField(null=True)
    price = peewee.BigIntegerField(null=True)
    answer_threshold = peewee.FloatField(null=True)
    knowledge_revision = peewee.BigIntegerField(default=0)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "assistants"


def up(migrator: Any, db: Any) -> None:
    models = [Assistant]
    # Else SQLite gives the id of a deleted row to the next one.
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    Assistant.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
