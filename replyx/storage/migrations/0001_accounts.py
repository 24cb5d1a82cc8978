"""People and their tokens. A frozen copy of the tables as they were, independent of today's."""

from typing import Any

import peewee


class User(peewee.Model):
    id = peewee.BigAutoField()
    email = peewee.CharField(254, unique=True)
    password_hash = peewee.CharField(255)
    first_name = peewee.CharField(100, default="")
    last_name = peewee.CharField(100, default="")
    is_admin = peewee.BooleanField(default=False)
    is_active = peewee.BooleanField(default=True)
    plan = peewee.CharField(32, default="trial")
    onboarding_completed = peewee.BooleanField(default=False)
    token_epoch = peewee.CharField(32)
    balance = peewee.BigIntegerField(default=0, constraints=[peewee.Check("balance >= 0")])
    held = peewee.BigIntegerField(default=0, constraints=[peewee.Check("held >= 0")])
    welcome_bonus = peewee.BigIntegerField(default=0)
    created_at = peewee.BigIntegerField()
    last_login_at = peewee.BigIntegerField(null=True)

    class Meta:
        legacy_table_names = False
        table_name = "users"


class RevokedToken(peewee.Model):
    jti = peewee.CharField(64, primary_key=True)
    expires_at = peewee.BigIntegerField(index=True)

    class Meta:
        legacy_table_names = False
        table_name = "revoked_tokens"


def up(migrator: Any, db: Any) -> None:
    models = [User, RevokedToken]
    # Else SQLite gives the id of a deleted row to the next one.
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    User.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
