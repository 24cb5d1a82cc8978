"""Conversations in plugins' channels, and kept counts of lists. Frozen copies of the tables as they were."""

from typing import Any

import peewee


class Assistant(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "assistants"


class Dialog(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "dialogs"


class ChannelLink(peewee.Model):
    id = peewee.BigAutoField()
    channel = peewee.CharField(40)
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    conversation = peewee.CharField(128)
    dialog = peewee.ForeignKeyField(Dialog, unique=True, on_delete="CASCADE")
    wanted_seq = peewee.IntegerField()
    delivered_seq = peewee.IntegerField()
    due_at = peewee.BigIntegerField()
    failures = peewee.IntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "channel_links"
        indexes = ((("channel", "assistant", "conversation"), True),)


ChannelLink.add_index(
    peewee.ModelIndex(
        ChannelLink,
        [ChannelLink.channel, ChannelLink.due_at],
        name="channel_links_waiting",
        where=peewee.SQL("wanted_seq > delivered_seq"),
    )
)


class RowCount(peewee.Model):
    id = peewee.BigAutoField()
    counted = peewee.CharField(20)
    owner_id = peewee.BigIntegerField()
    assistant_id = peewee.BigIntegerField()
    first = peewee.CharField(40)
    second = peewee.CharField(12)
    third = peewee.CharField(12)
    n = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "row_counts"
        indexes = ((("counted", "owner_id", "assistant_id"), False),)


_COLUMNS = "counted, owner_id, assistant_id, first, second, third, n"

#: Table → columns for owner, assistant, first, second, third; empty where it has none.
_COUNTED = {
    "assistants": ("user_id", "", "", "", ""),
    "audit_log": ("user_id", "", "action", "outcome", ""),
    "dialogs": ("user_id", "assistant_id", "status", "handoff_status", "platform"),
    "documents": ("", "assistant_id", "", "", ""),
    "ledger_transfers": ("user_id", "", "kind", "", ""),
    "payments": ("user_id", "", "status", "", ""),
    "qa_pairs": ("", "assistant_id", "", "", ""),
    "users": ("", "", "", "", ""),
}


def _values(table: str, prefix: str, n: str) -> str:
    owner, assistant, *words = _COUNTED[table]
    numbers = [f"COALESCE({prefix}{name}, 0)" if name else "0" for name in (owner, assistant)]
    texts = [f"{prefix}{name}" if name else "''" for name in words]
    return ", ".join([f"'{table}'", *numbers, *texts, n])


def _count_from_now_on(db: Any, table: str) -> None:
    columns = [name for name in _COUNTED[table] if name]
    other = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in columns)
    plus = f"INSERT INTO row_counts ({_COLUMNS}) VALUES ({_values(table, 'NEW.', '1')});"
    minus = f"INSERT INTO row_counts ({_COLUMNS}) VALUES ({_values(table, 'OLD.', '-1')});"
    when = f"WHEN ({other})"
    if db.__class__.__name__.endswith("SqliteDatabase"):
        made = [("in", "INSERT", "", plus), ("out", "DELETE", "", minus)]
        if columns:
            # SQLite's older word for the same.
            when = when.replace("IS DISTINCT FROM", "IS NOT")
            made.append(("moved", f"UPDATE OF {', '.join(columns)}", when, minus + plus))
        for name, event, condition, work in made:
            trigger = f"{table}_counted_{name} AFTER {event} ON {table}"
            db.execute_sql(f"CREATE TRIGGER {trigger} {condition} BEGIN {work} END")
        return
    for name, work in (("in", plus), ("out", minus), ("moved", minus + plus)):
        if name == "moved" and not columns:
            continue
        db.execute_sql(
            f"CREATE FUNCTION {table}_counted_{name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {work} RETURN NULL; END $$"
        )
        event = {"in": "INSERT", "out": "DELETE", "moved": f"UPDATE OF {', '.join(columns)}"}[name]
        db.execute_sql(
            f"CREATE TRIGGER {table}_counted_{name} AFTER {event} ON {table} "
            f"FOR EACH ROW {when if name == 'moved' else ''} EXECUTE FUNCTION {table}_counted_{name}()"
        )


def _count_what_is_there(db: Any, table: str) -> None:
    groups = ", ".join(name for name in _COUNTED[table] if name)
    db.execute_sql(
        f"INSERT INTO row_counts ({_COLUMNS}) SELECT {_values(table, '', 'COUNT(*)')} FROM {table} "
        + (f"GROUP BY {groups}" if groups else "HAVING COUNT(*) > 0")
    )


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    ChannelLink.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx([ChannelLink, RowCount], bind_refs=False, bind_backrefs=False):
        db.create_tables([ChannelLink, RowCount])
    for table in _COUNTED:
        _count_from_now_on(db, table)
        _count_what_is_there(db, table)
    # A customer and an operator may use the same name for a message: each has its own.
    db.execute_sql('DROP INDEX "messages_dialog_id_external_id"')
    columns = '("dialog_id", "sender", "external_id")'
    db.execute_sql(f'CREATE UNIQUE INDEX "messages_dialog_id_sender_external_id" ON "messages" {columns}')
