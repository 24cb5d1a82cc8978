"""Tables of knowledge: documents, Q&A pairs, and the chunks that LanceDB is rebuilt from."""

from __future__ import annotations

import peewee

from replyx.storage.assistants import Assistant
from replyx.storage.database import Table
from replyx.storage.fields import JsonField, MomentField


class Document(Table):
    """An uploaded file. `status` is processing → completed | failed; `lease_until` is the database's time in ms."""

    assistant_id: int

    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, backref="documents", on_delete="CASCADE")
    filename = peewee.CharField(255)
    content_type = peewee.CharField(100)
    size = peewee.BigIntegerField()
    sha256 = peewee.CharField(64)
    #: Our own name of the stored file, never the customer's.
    storage_name = peewee.CharField(64)
    status = peewee.CharField(12, default="processing")
    #: A stable word for why it failed (`encrypted`, `no_text`, …) and the sentences for people, Russian and English.
    error_code = peewee.CharField(32, null=True)
    error_ru = peewee.TextField(null=True)
    error_en = peewee.TextField(null=True)
    pages = peewee.IntegerField(default=0)
    chunks_count = peewee.IntegerField(default=0)
    attempts = peewee.IntegerField(default=0)
    fence = peewee.IntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)
    created_at = MomentField()
    #: Where the public can read it: the page of a site that it was.
    url = peewee.CharField(2000, null=True)
    #: The document that this is a newer version of: it answers until this one is ready, and is deleted then.
    replaces = peewee.BigIntegerField(null=True)
    #: Pages without text that are pictures.
    scanned = JsonField(null=True)

    class Meta:
        table_name = "documents"
        indexes = ((("status", "lease_until"), False),)


class QaPair(Table):
    """A question with the answer to give word for word."""

    assistant_id: int

    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, backref="qa_pairs", on_delete="CASCADE")
    question = peewee.TextField()
    #: The question without case, punctuation and endings, for exact matches.
    question_key = peewee.CharField(255)
    answer = peewee.TextField()
    tags = JsonField()
    created_at = MomentField()

    class Meta:
        table_name = "qa_pairs"
        indexes = ((("assistant", "question_key"), False),)


class Chunk(Table):
    """A piece of a document's text with the place it came from: what is searched, quoted and embedded."""

    assistant_id: int
    document_id: int

    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    document = peewee.ForeignKeyField(Document, backref="chunks", on_delete="CASCADE")
    position = peewee.IntegerField()
    text = peewee.TextField()
    heading = peewee.CharField(300, null=True)
    page = peewee.IntegerField(null=True)

    class Meta:
        table_name = "chunks"
        indexes = ((("document", "position"), True),)
