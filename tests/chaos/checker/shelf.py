"""The invariant of documents: what the record has of them, and what the index on disk has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checker.record import Record
from tests.chaos.checker.story import Story


def shelved(story: Story, record: Record) -> Iterator[str]:
    """I11: a document is `completed` exactly where its chunks are there; of a deleted one nothing is left."""
    chunks = Counter(row["document_id"] for row in record["chunks"])
    documents = {row["id"]: row for row in record["documents"]}
    for row in documents.values():
        if row["status"] == "processing":
            yield f"document {row['id']} is still being read after {row['attempts']} tries"
        elif (row["status"] == "completed") != bool(chunks[row["id"]]) or chunks[row["id"]] != row["chunks_count"]:
            yield f"document {row['id']} is {row['status']}, has {chunks[row['id']]} chunks, says {row['chunks_count']}"
    for orphan in set(chunks) - set(documents):
        yield f"{chunks[orphan]} chunks are left of document {orphan}"
    for number, fate in _fates(story).items():
        known = documents.get(number)
        if fate == "removed" and known is not None:
            yield f"document {number} was deleted and is {known['status']}"
        elif fate == "uploaded" and (known is None or known["status"] != "completed"):
            yield f"document {number} was taken and is {known['status'] if known else 'gone'}"
    for place in story.rows["index"]:
        yield from _indexed(place["uri"], place["table"], record)


def _fates(story: Story) -> dict[int, str]:
    """Document → what was last done to it: SQLite gives the number of a deleted one to the next."""
    rows = [(row["t"], row["document"], row["op"]) for op in ("uploaded", "removed") for row in story.rows[op]]
    return {number: op for _, number, op in sorted(rows)}


def _indexed(uri: str, table: str, record: Record) -> Iterator[str]:
    """The rows of the index are the chunks of documents that are completed, each once."""
    import lancedb

    rows = lancedb.connect(uri).open_table(table).to_arrow().select(["item_id", "document_id"]).to_pylist()
    stored = Counter((row["item_id"], row["document_id"]) for row in rows if row["item_id"] > 0)
    wanted = Counter((row["id"], row["document_id"]) for row in record["chunks"])
    for item, document in (wanted - stored).elements():
        yield f"chunk {item} of document {document} is not in the index"
    for item, document in (stored - wanted).elements():
        yield f"the index has chunk {item} of document {document} that the record has not"
