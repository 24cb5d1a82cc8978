"""Tables of money: an append-only double-entry ledger, the holds that answers are paid from, top-ups. Kopecks."""

from __future__ import annotations

import peewee

from replyx.storage.accounts import User
from replyx.storage.database import Table
from replyx.storage.fields import IdField, JsonField, MomentField


class LedgerTransfer(Table):
    """One movement of money with its reason. `key` is its natural key: the same movement cannot happen twice."""

    id = peewee.BigAutoField()
    key = peewee.CharField(200, unique=True)
    kind = peewee.CharField(20, index=True)
    #: Kept without a foreign key: the ledger outlives the user.
    user_id = peewee.BigIntegerField(index=True)
    amount = peewee.BigIntegerField(constraints=[peewee.Check("amount > 0")])
    service_type = peewee.CharField(32, null=True)
    description = peewee.CharField(200)
    details = JsonField(null=True)
    created_at = MomentField()
    #: Whose answer was paid, kept without a foreign key too.
    assistant_id = peewee.BigIntegerField(null=True)

    class Meta:
        table_name = "ledger_transfers"
        indexes = ((("assistant_id", "created_at"), False),)


class LedgerEntry(Table):
    """One side of a transfer: an account such as `user:7`, `holds:7`, `revenue`, and a signed amount."""

    id = peewee.BigAutoField()
    transfer = peewee.ForeignKeyField(LedgerTransfer, backref="entries")
    account = peewee.CharField(64, index=True)
    amount = peewee.BigIntegerField(constraints=[peewee.Check("amount <> 0")])

    class Meta:
        table_name = "ledger_entries"


class Hold(Table):
    """Money set aside for one try at one answer. `open` → `captured` or `released`, once."""

    id = IdField()
    key = peewee.CharField(200, unique=True)
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    amount = peewee.BigIntegerField(constraints=[peewee.Check("amount > 0")])
    state = peewee.CharField(12, default="open")
    expires_at = MomentField()

    class Meta:
        table_name = "holds"
        indexes = ((("state", "expires_at"), False),)


class Payment(Table):
    """A top-up through a payment provider.

    `status`: creating → pending → succeeded → refunding → refunded; or canceled, or failed.
    """

    id = IdField()
    provider = peewee.CharField(40)
    #: The provider's own id; None until it has answered.
    external_id = peewee.CharField(128, null=True)
    #: Kept without a foreign key: what was paid outlives the user.
    user_id = peewee.BigIntegerField(index=True)
    amount = peewee.BigIntegerField(constraints=[peewee.Check("amount > 0")])
    #: Kopecks that were taken back off the balance.
    refunded = peewee.BigIntegerField(default=0)
    status = peewee.CharField(12, default="creating", index=True)
    #: What the provider knows the order by: the same order is not made twice.
    idempotency_key = peewee.CharField(64)
    confirmation_url = peewee.TextField(null=True)
    #: The hold under which a refund is under way.
    hold_id = peewee.BigIntegerField(null=True)
    created_at = MomentField()
    updated_at = MomentField()
    #: The claim of the request that ordered it (`idempotency_keys.id`): a request has one payment, however often it is
    #: begun. Kept without a foreign key: claims end after a day.
    claim_id = peewee.BigIntegerField(null=True, unique=True)
    #: How often its provider was asked of it, and when it is to be asked again: the database's time in milliseconds.
    checks = peewee.IntegerField(default=0, constraints=[peewee.SQL("DEFAULT 0")])
    check_at = peewee.BigIntegerField(default=0, constraints=[peewee.SQL("DEFAULT 0")])

    class Meta:
        table_name = "payments"
        indexes = ((("provider", "external_id"), True), (("status", "check_at"), False))
