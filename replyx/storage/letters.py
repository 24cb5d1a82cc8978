"""Letters that are owed to people by e-mail: each carries the link that confirms its user's address."""

from __future__ import annotations

import peewee

from replyx.storage.accounts import User
from replyx.storage.database import Table
from replyx.storage.fields import IdField, MomentField


class Letter(Table):
    """A letter on its way to the mail server: new → sending → handing → sent | failed | maybe_sent.

    `handing` is committed before the first byte of the letter goes out: whose sender died earlier was surely not sent.
    `fence` grows with each try; what is noted under an old fence is refused. Leases are the database's milliseconds.
    """

    id = IdField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    #: `ru` or `en`.
    language = peewee.CharField(2)
    #: Where the appliance was reached by whoever asked, as `https://help.example.com`: the link begins with it.
    link_base = peewee.CharField(300)
    #: The letter's own part of its Message-ID, the same at each try: mail servers know a repeated letter by it.
    name = peewee.CharField(32)
    state = peewee.CharField(10, default="new")
    fence = peewee.IntegerField(default=0)
    attempts = peewee.IntegerField(default=0)
    #: Tries of which nobody knows whether the mail server took the letter.
    doubts = peewee.IntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)
    due_at = peewee.BigIntegerField(default=0)
    last_error = peewee.CharField(300, null=True)
    created_at = MomentField()
    done_at = MomentField(null=True)

    class Meta:
        table_name = "letters"


Letter.add_index(
    peewee.ModelIndex(
        Letter, [Letter.due_at], name="letters_open", where=peewee.SQL("state IN ('new', 'sending', 'handing')")
    )
)
