"""The table of tenants' keys to the OpenAI-compatible endpoint."""

from __future__ import annotations

import peewee

from replyx.storage.accounts import User
from replyx.storage.database import Table
from replyx.storage.fields import IdField, MomentField


class ApiKey(Table):
    """One key. `digest` is the SHA-256 of 256 random bits, hexadecimal: the key itself is kept nowhere."""

    id = IdField()
    user_id: int
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    name = peewee.CharField(100)
    digest = peewee.CharField(64, unique=True)
    masked = peewee.CharField(40)
    created_at = MomentField()
    last_used_at = MomentField(null=True)

    class Meta:
        table_name = "api_keys"
