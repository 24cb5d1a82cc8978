"""The ledger and holds. A frozen copy of the tables as they were, independent of today's."""

from typing import Any

import peewee


class User(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        table_name = "users"


class LedgerTransfer(peewee.Model):
    id = peewee.BigAutoField()
    key = peewee.CharField(200, unique=True)
    kind = peewee.CharField(20, index=True)
    user_id = peewee.BigIntegerField(index=True)
    amount = peewee.BigIntegerField(constraints=[peewee.Check("amount > 0")])
    service_type = peewee.CharField(32, null=True)
    description = peewee.CharField(200)
    details = peewee.TextField(null=True)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "ledger_transfers"


class LedgerEntry(peewee.Model):
    id = peewee.BigAutoField()
    transfer = peewee.ForeignKeyField(LedgerTransfer, backref="entries")
    account = peewee.CharField(64, index=True)
    amount = peewee.BigIntegerField(constraints=[peewee.Check("amount <> 0")])

    class Meta:
        legacy_table_names = False
        table_name = "ledger_entries"


class Hold(peewee.Model):
    id = peewee.BigAutoField()
    key = peewee.CharField(200, unique=True)
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    amount = peewee.BigIntegerField(constraints=[peewee.Check("amount > 0")])
    state = peewee.CharField(12, default="open")
    expires_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "holds"
        indexes = ((("state", "expires_at"), False),)


def up(migrator: Any, db: Any) -> None:
    models = [LedgerTransfer, LedgerEntry, Hold]
    # Else SQLite gives the id of a deleted row to the next one.
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    Hold.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
