"""Leases by name: who may write an index that lies in an object store."""

from typing import Any

import peewee


class Lease(peewee.Model):
    name = peewee.CharField(60, primary_key=True)
    holder = peewee.CharField(100)
    label = peewee.CharField(100)
    fence = peewee.BigIntegerField()
    lease_until = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "leases"


def up(migrator: Any, db: Any) -> None:
    with db.bind_ctx([Lease], bind_refs=False, bind_backrefs=False):
        db.create_tables([Lease])
