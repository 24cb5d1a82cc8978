"""Documents, Q&A pairs, chunks. A frozen copy of the tables as they were, independent of today's."""

from typing import Any

import peewee


class Assistant(peewee.Model):
    id = peewee.BigAutoField()

    class Meta:
        table_name = "assistants"


class Document(peewee.Model):
    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, backref="documents", on_delete="CASCADE")
    filename = peewee.CharField(255)
    content_type = peewee.CharField(100)
    size = peewee.BigIntegerField()
    sha256 = peewee.CharField(64)
    storage_name = peewee.CharField(64)
    status = peewee.CharField(12, default="processing")
    error_code = peewee.CharField(32, null=True)
    error_ru = peewee.TextField(null=True)
    error_en = peewee.TextField(null=True)
    pages = peewee.IntegerField(default=0)
    chunks_count = peewee.IntegerField(default=0)
    attempts = peewee.IntegerField(default=0)
    fence = peewee.IntegerField(default=0)
    lease_until = peewee.BigIntegerField(default=0)
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "documents"
        indexes = ((("status", "lease_until"), False),)


class QaPair(peewee.Model):
    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, backref="qa_pairs", on_delete="CASCADE")
    question = peewee.TextField()
    question_key = peewee.CharField(255)
    answer = peewee.TextField()
    tags = peewee.TextField()
    created_at = peewee.BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "qa_pairs"
        indexes = ((("assistant", "question_key"), False),)


class Chunk(peewee.Model):
    id = peewee.BigAutoField()
    assistant = peewee.ForeignKeyField(Assistant, on_delete="CASCADE")
    document = peewee.ForeignKeyField(Document, backref="chunks", on_delete="CASCADE")
    position = peewee.IntegerField()
    text = peewee.TextField()
    heading = peewee.CharField(300, null=True)
    page = peewee.IntegerField(null=True)

    class Meta:
        legacy_table_names = False
        table_name = "chunks"
        indexes = ((("document", "position"), True),)


def up(migrator: Any, db: Any) -> None:
    models = [Document, QaPair, Chunk]
    with db.bind_ctx(models, bind_refs=False, bind_backrefs=False):
        db.create_tables(models)
