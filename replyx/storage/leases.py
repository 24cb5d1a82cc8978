"""Leases of what only one process of all hosts may do at a time, by name."""

from __future__ import annotations

import peewee

from replyx.storage.database import Table


class Lease(Table):
    """Who holds the right `name`. `lease_until` is the database's time in ms; `fence` goes up with each holder."""

    name = peewee.CharField(60, primary_key=True)
    #: As `holder_name` has it, and in words for people: the machine's name and the process's number.
    holder = peewee.CharField(100, default="")
    label = peewee.CharField(100, default="")
    fence = peewee.BigIntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)

    class Meta:
        table_name = "leases"
