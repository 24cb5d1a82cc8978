"""The table of the audit log: who did what, from where, and whether it was let happen."""

from __future__ import annotations

import peewee

from replyx.storage.database import Table
from replyx.storage.fields import IdField, JsonField, MomentField


class AuditRow(Table):
    """One thing that somebody did or tried to do. It outlives the user, so it refers to none."""

    id = IdField()
    created_at = MomentField(index=True)
    #: Who did it; None: nobody who had proven who it is, or the command line.
    user_id = peewee.BigIntegerField(null=True, index=True)
    #: The address, `cli`, or `system`.
    peer = peewee.CharField(64)
    action = peewee.CharField(40, index=True)
    #: What it was done to, such as `user:7` or an e-mail.
    object = peewee.CharField(254)
    outcome = peewee.CharField(12)
    details = JsonField(null=True)

    class Meta:
        table_name = "audit_log"
