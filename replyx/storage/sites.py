"""Tables of web sites that an assistant reads, and of their pages."""

from __future__ import annotations

import peewee

from replyx.storage.assistants import Assistant
from replyx.storage.database import Table
from replyx.storage.fields import IdField, JsonField, MomentField
from replyx.storage.knowledge import Document


class Site(Table):
    """A site to keep up with. `status` is waiting, syncing, ready or failed; times in ms are the database's."""

    assistant_id: int

    id = IdField()
    assistant = peewee.ForeignKeyField(Assistant, backref="sites", on_delete="CASCADE")
    url = peewee.CharField(2000)
    #: Links that are followed from the first page on, pages at most, hours between two visits (0: only when asked).
    max_depth = peewee.IntegerField()
    max_pages = peewee.IntegerField()
    every_hours = peewee.IntegerField()
    status = peewee.CharField(12, default="waiting")
    error_ru = peewee.TextField(null=True)
    error_en = peewee.TextField(null=True)
    #: What the last visit found: seen, added, changed, gone, failed.
    counts = JsonField(null=True)
    fence = peewee.IntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)
    due_at = peewee.BigIntegerField(default=0)
    synced_at = MomentField(null=True)
    created_at = MomentField()

    class Meta:
        table_name = "sites"
        indexes = ((("due_at", "lease_until"), False),)


class SitePage(Table):
    """A page as it was seen last: its document, and what asks the server whether it changed."""

    site_id: int
    document_id: int | None

    id = IdField()
    site = peewee.ForeignKeyField(Site, backref="pages", on_delete="CASCADE")
    #: SHA-256 of the address: addresses are too long for an index.
    url_hash = peewee.CharField(64)
    url = peewee.CharField(2000)
    document = peewee.ForeignKeyField(Document, null=True, on_delete="SET NULL")
    etag = peewee.CharField(500, null=True)
    modified = peewee.CharField(100, null=True)
    #: SHA-256 of the text: pages whose markup alone changed did not change.
    text_hash = peewee.CharField(64, null=True)
    links = JsonField()

    class Meta:
        table_name = "site_pages"
        indexes = ((("site", "url_hash"), True),)
