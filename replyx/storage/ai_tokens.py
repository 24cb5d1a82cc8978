"""The table of keys to OpenAI-compatible APIs."""

from __future__ import annotations

import peewee

from replyx.storage.database import Table
from replyx.storage.fields import JsonField, MomentField, SealedField


class AiToken(Table):
    """One key: `secret` is sealed, `masked` is what people see. Limits and usage count calls; 0 means no limit."""

    id = peewee.BigAutoField()
    name = peewee.CharField(100, unique=True)
    secret = SealedField()
    masked = peewee.CharField(40)
    base_url = peewee.CharField(300)
    model_access = JsonField()
    daily_limit = peewee.IntegerField(default=0)
    monthly_limit = peewee.IntegerField(default=0)
    daily_usage = peewee.IntegerField(default=0)
    monthly_usage = peewee.IntegerField(default=0)
    #: The day and month, in the configured time zone, that the usage belongs to: `2026-11-23`, `2026-11`.
    usage_day = peewee.CharField(10, default="")
    usage_month = peewee.CharField(7, default="")
    priority = peewee.IntegerField(default=1)
    is_active = peewee.BooleanField(default=True)
    #: Why it was switched off by itself, for the administrator; empty where it was not.
    disabled_reason = peewee.CharField(200, default="")
    cooling_until = MomentField(null=True)
    notes = peewee.TextField(default="")
    created_at = MomentField()
    #: Troubles of its server in a row; from the breaker's number on, one call at a time tries whether it is over.
    failures = peewee.IntegerField(default=0, constraints=[peewee.SQL("DEFAULT 0")])

    class Meta:
        table_name = "ai_tokens"
