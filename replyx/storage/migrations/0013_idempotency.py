"""Idempotency keys of requests and their first answers."""

from typing import Any

import peewee


class User(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "users"


class Dialog(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "dialogs"


class IdempotencyKey(peewee.Model):
    id = peewee.BigAutoField()
    subject = peewee.CharField(40)
    user = peewee.ForeignKeyField(User, null=True, on_delete="CASCADE")
    dialog = peewee.ForeignKeyField(Dialog, null=True, on_delete="CASCADE")
    route = peewee.CharField(200)
    key = peewee.CharField(255)
    digest = peewee.CharField(64)
    fence = peewee.BigIntegerField()
    lease_until = peewee.BigIntegerField()
    expires_at = peewee.BigIntegerField(index=True)
    status = peewee.IntegerField(null=True)
    body = peewee.TextField(null=True)

    class Meta:
        legacy_table_names = False
        table_name = "idempotency_keys"
        indexes = ((("subject", "route", "key"), True),)


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    IdempotencyKey.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx([IdempotencyKey], bind_refs=False, bind_backrefs=False):
        db.create_tables([IdempotencyKey])
