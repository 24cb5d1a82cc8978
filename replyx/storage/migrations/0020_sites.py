"""Web sites and their pages; documents know their address, the version that they replace, and their scanned pages."""

from typing import Any

import peewee


class Assistant(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "assistants"


class Document(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        legacy_table_names = False
        table_name = "documents"


class Site(peewee.Model):
    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    url = peewee.CharField(2000)
    max_depth = peewee.IntegerField()
    max_pages = peewee.IntegerField()
    every_hours = peewee.IntegerField()
    status = peewee.CharField(12)
    error_ru = peewee.TextField(null=True)
    error_en = peewee.TextField(null=True)
    counts = peewee.TextField(null=True)
    fence = peewee.IntegerField()
    lease_until = peewee.BigIntegerField()
    due_at = peewee.BigIntegerField()
    synced_at = peewee.BigIntegerField(null=True)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "sites"
        indexes = ((("due_at", "lease_until"), False),)


class SitePage(peewee.Model):
    id = peewee.BigAutoField()
    site = peewee.ForeignKeyField(Site, on_delete="CASCADE")
    url_hash = peewee.CharField(64)
    url = peewee.CharField(2000)
    document = peewee.ForeignKeyField(Document, null=True, on_delete="SET NULL")
    etag = peewee.CharField(500, null=True)
    modified = peewee.CharField(100, null=True)
    text_hash = peewee.CharField(64, null=True)
    links = peewee.TextField()

    class Meta:
        legacy_table_names = False
        table_name = "site_pages"
        indexes = ((("site", "url_hash"), True),)


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    kind = "INTEGER" if is_sqlite else "BIGINT"
    db.execute_sql('ALTER TABLE "documents" ADD COLUMN "url" VARCHAR(2000)')
    db.execute_sql(f'ALTER TABLE "documents" ADD COLUMN "replaces" {kind}')
    db.execute_sql('ALTER TABLE "documents" ADD COLUMN "scanned" TEXT')
    models = [Site, SitePage]
    for model in models:
        model.id.constraints = [peewee.SQL("AUTOINCREMENT")] if is_sqlite else None
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
