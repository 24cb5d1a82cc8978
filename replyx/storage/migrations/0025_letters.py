"""Letters that confirm addresses, and whose address was confirmed. A frozen copy of the table as it was."""

from typing import Any

import peewee


class User(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "users"


class Letter(peewee.Model):
    id = peewee.BigAutoField()
    user = peewee.ForeignKeyField(User, on_delete="CASCADE")
    language = peewee.CharField(2)
    link_base = peewee.CharField(300)
    name = peewee.CharField(32)
    state = peewee.CharField(10)
    fence = peewee.IntegerField()
    attempts = peewee.IntegerField()
    doubts = peewee.IntegerField()
    lease_until = peewee.BigIntegerField()
    due_at = peewee.BigIntegerField()
    last_error = peewee.CharField(300, null=True)
    created_at = peewee.BigIntegerField()
    done_at = peewee.BigIntegerField(null=True)

    class Meta:
        legacy_table_names = False
        table_name = "letters"


Letter.add_index(
    peewee.ModelIndex(
        Letter, [Letter.due_at], name="letters_open", where=peewee.SQL("state IN ('new', 'sending', 'handing')")
    )
)


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    Letter.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx([Letter], bind_refs=False, bind_backrefs=False):
        db.create_tables([Letter])
    flag, moment = ("INTEGER", "INTEGER") if is_sqlite else ("BOOLEAN", "BIGINT")
    db.execute_sql(f'ALTER TABLE "users" ADD COLUMN "email_verified_at" {moment}')
    # Who is there already had the bonus at registration, or was made without one.
    db.execute_sql(f'ALTER TABLE "users" ADD COLUMN "bonus_is_due" {flag} NOT NULL DEFAULT FALSE')
