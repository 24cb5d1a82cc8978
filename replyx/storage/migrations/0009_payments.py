"""Payments through providers. A frozen copy of the table as it was, independent of today's."""

from typing import Any

import peewee


class Payment(peewee.Model):
    id = peewee.BigAutoField()
    provider = peewee.CharField(40)
    external_id = peewee.CharField(128, null=True)
    user_id = peewee.BigIntegerField(index=True)
    amount = peewee.BigIntegerField(constraints=[peewee.Check("amount > 0")])
    refunded = peewee.BigIntegerField()
    status = peewee.CharField(12, index=True)
    idempotency_key = peewee.CharField(64)
    confirmation_url = peewee.TextField(null=True)
    hold_id = peewee.BigIntegerField(null=True)
    created_at = peewee.BigIntegerField()
    updated_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "payments"
        indexes = ((("provider", "external_id"), True),)


def up(migrator: Any, db: Any) -> None:
    models = [Payment]
    # Else SQLite gives the id of a deleted row to the next one.
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    Payment.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
