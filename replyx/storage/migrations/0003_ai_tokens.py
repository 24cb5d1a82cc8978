"""Keys to AI APIs. A frozen copy of the tables as they were, independent of today's."""

from typing import Any

import peewee


class AiToken(peewee.Model):
    id = peewee.BigAutoField()
    name = peewee.CharField(100, unique=True)
    secret = peewee.TextField()
    masked = peewee.CharField(40)
    base_url = peewee.CharField(300)
    model_access = peewee.TextField()
    daily_limit = peewee.IntegerField(default=0)
    monthly_limit = peewee.IntegerField(default=0)
    daily_usage = peewee.IntegerField(default=0)
    monthly_usage = peewee.IntegerField(default=0)
    usage_day = peewee.CharField(10, default="")
    usage_month = peewee.CharField(7, default="")
    priority = peewee.IntegerField(default=1)
    is_active = peewee.BooleanField(default=True)
    disabled_reason = peewee.CharField(200, default="")
    cooling_until = peewee.BigIntegerField(null=True)
    notes = peewee.TextField(default="")
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "ai_tokens"


def up(migrator: Any, db: Any) -> None:
    models = [AiToken]
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
