"""Tenants' keys to the OpenAI-compatible endpoint."""

from typing import Any

import peewee


class User(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "users"


class ApiKey(peewee.Model):
    id = peewee.BigAutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    name = peewee.CharField(100)
    digest = peewee.CharField(64, unique=True)
    masked = peewee.CharField(40)
    created_at = peewee.BigIntegerField()
    last_used_at = peewee.BigIntegerField(null=True)

    class Meta:
        legacy_table_names = False
        table_name = "api_keys"


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    ApiKey.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx([ApiKey], bind_refs=False, bind_backrefs=False):
        db.create_tables([ApiKey])
