"""Tables of people and their tokens."""

from __future__ import annotations

import peewee

from replyx.storage.database import Table
from replyx.storage.fields import IdField, MomentField, SealedField


class User(Table):
    """A tenant's owner, one of its operators, or an administrator.

    Kopecks: `balance` is what may be spent, `held` is set aside.
    """

    id = IdField()
    email = peewee.CharField(254, unique=True)
    password_hash = peewee.CharField(255)
    first_name = peewee.CharField(100, default="")
    last_name = peewee.CharField(100, default="")
    is_admin = peewee.BooleanField(default=False)
    is_active = peewee.BooleanField(default=True)
    plan = peewee.CharField(32, default="trial")
    onboarding_completed = peewee.BooleanField(default=False)
    #: A random word inside every token of this user; a new one ends them all, also should an id be used again.
    token_epoch = peewee.CharField(32)
    balance = peewee.BigIntegerField(default=0, constraints=[peewee.Check("balance >= 0")])
    held = peewee.BigIntegerField(default=0, constraints=[peewee.Check("held >= 0")])
    welcome_bonus = peewee.BigIntegerField(default=0)
    created_at = MomentField()
    last_login_at = MomentField(null=True)
    #: Whose dialogs this user answers; None: no operator. In SQL, as a column that is added cannot be a key otherwise.
    owner_id = peewee.BigIntegerField(
        null=True, index=True, constraints=[peewee.SQL('REFERENCES "users" ("id") ON DELETE CASCADE')]
    )
    #: Sealed. A secret counts once it was confirmed; until then it is the pending one.
    totp_secret = SealedField(null=True)
    totp_pending = SealedField(null=True)
    #: The step of the code that was used last: no code is taken twice, nor one from before it.
    totp_step = peewee.BigIntegerField(null=True)
    #: When the link of a letter to the address was used, or an administrator vouched for it.
    email_verified_at = MomentField(null=True)
    #: Whether the welcome bonus waits for that.
    bonus_is_due = peewee.BooleanField(default=False, constraints=[peewee.SQL("DEFAULT FALSE")])

    class Meta:
        table_name = "users"


class RevokedToken(Table):
    """A token that is refused before its time: logged out, or a one-use ticket that was used."""

    jti = peewee.CharField(64, primary_key=True)
    expires_at = MomentField(index=True)

    class Meta:
        table_name = "revoked_tokens"
