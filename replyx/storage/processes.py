"""The table of running processes: who lives, and when each last got on with its work."""

from __future__ import annotations

import peewee

from replyx.storage.database import Table
from replyx.storage.fields import JsonField


class ProcessBeat(Table):
    """A loop of a process. `beat_at` is the database's time in ms of its last useful turn."""

    name = peewee.CharField(100, primary_key=True)
    role = peewee.CharField(16)
    started_at = peewee.BigIntegerField()
    beat_at = peewee.BigIntegerField()
    detail = JsonField(null=True)

    class Meta:
        table_name = "process_beats"
