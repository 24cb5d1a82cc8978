"""Running processes. A frozen copy of the tables as they were, independent of today's."""

from typing import Any

import peewee


class ProcessBeat(peewee.Model):
    name = peewee.CharField(100, primary_key=True)
    role = peewee.CharField(16)
    started_at = peewee.BigIntegerField()
    beat_at = peewee.BigIntegerField()
    detail = peewee.TextField(null=True)

    class Meta:
        legacy_table_names = False
        table_name = "process_beats"


def up(migrator: Any, db: Any) -> None:
    models = [ProcessBeat]
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
