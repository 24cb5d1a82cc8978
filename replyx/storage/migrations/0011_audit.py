"""The audit log."""

from typing import Any

import peewee


class AuditRow(peewee.Model):
    id = peewee.BigAutoField()
    created_at = peewee.BigIntegerField(index=True)
    user_id = peewee.BigIntegerField(null=True, index=True)
    peer = peewee.CharField(64)
    action = peewee.CharField(40, index=True)
    object = peewee.CharField(254)
    outcome = peewee.CharField(12)
    details = peewee.TextField(null=True)

    class Meta:
        legacy_table_names = False
        table_name = "audit_log"


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    AuditRow.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx([AuditRow], bind_refs=False, bind_backrefs=False):
        db.create_tables([AuditRow])
