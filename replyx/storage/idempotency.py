"""The table of Idempotency-Key headers: which request came under a key, and what it was answered."""

from __future__ import annotations

import peewee

from replyx.storage.accounts import User
from replyx.storage.database import Table
from replyx.storage.dialogs import Dialog
from replyx.storage.fields import IdField, MomentField, SealedField


class IdempotencyKey(Table):
    """One key of one caller on one route. `status` is None while the request is under way."""

    id = IdField()
    #: `user:7` or `visitor:12`; the references below only make it end with what it belongs to.
    subject = peewee.CharField(40)
    user = peewee.ForeignKeyField(User, null=True, on_delete="CASCADE")
    dialog = peewee.ForeignKeyField(Dialog, null=True, on_delete="CASCADE")
    #: Method and path, ids included.
    route = peewee.CharField(200)
    key = peewee.CharField(255)
    #: SHA-256 of what was sent, hexadecimal.
    digest = peewee.CharField(64)
    #: Counts who took the request on: only the last one may record its answer.
    fence = peewee.BigIntegerField(default=0)
    #: Until when whoever took it on is believed to be at work.
    lease_until = MomentField()
    expires_at = MomentField(index=True)
    status = peewee.IntegerField(null=True)
    #: The answer, sealed: it may hold a token, and what customers wrote.
    body = SealedField(null=True)

    class Meta:
        table_name = "idempotency_keys"
        indexes = ((("subject", "route", "key"), True),)
