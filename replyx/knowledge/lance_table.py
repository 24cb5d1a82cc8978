"""LanceDB's table as ours: its columns and its indexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from replyx.knowledge.packed import Row, pack_row

#: Rows from which comparing with every vector is slower than an index of clusters.
_ROWS_FOR_CLUSTERS = 20_000


def make_table(connection: Any, name: str, dim: int) -> Any:
    """The table of that name with its indexes; `dim` is the length of a vector."""
    from lancedb.index import FTS, Bitmap, BTree

    table = connection.create_table(name, schema=schema_of(dim), exist_ok=True)
    words = FTS(
        with_position=False,
        base_tokenizer="whitespace",
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
        lower_case=False,
    )
    table.create_index("stems", config=words)
    table.create_index("assistant_id", config=Bitmap())
    table.create_index("item_id", config=BTree())
    return table


def schema_of(dim: int) -> Any:
    """The columns, as pyarrow has them."""
    import pyarrow

    names = ("item_id", "assistant_id", "document_id", "digest")
    return pyarrow.schema(
        [
            *((name, pyarrow.int64()) for name in names),
            ("stems", pyarrow.string()),
            ("vector", pyarrow.list_(pyarrow.float32(), dim)),
            ("packed", pyarrow.binary()),
        ]
    )


def as_arrow(rows: Sequence[Row], dim: int) -> Any:
    """Rows as the table takes them."""
    import numpy as np
    import pyarrow

    flat = np.concatenate([row.vector for row in rows]).astype(np.float32)
    return pyarrow.table(
        {
            "item_id": [r.item_id for r in rows],
            "assistant_id": [r.assistant_id for r in rows],
            "document_id": [r.document_id for r in rows],
            "digest": [r.digest for r in rows],
            "stems": [r.stems for r in rows],
            "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), dim),
            "packed": [pack_row(r) for r in rows],
        },
        schema=schema_of(dim),
    )


def cluster(table: Any) -> None:
    """Cluster the vectors where they are many and it was not done yet.

    Four bits a number: LanceDB keeps them in memory, a fifth of what whole ones take there, and compares in a third
    of the time. What it finds is compared with again by the vectors themselves.
    """
    rows = table.count_rows()
    if rows < _ROWS_FOR_CLUSTERS or any("vector" in index.columns for index in table.list_indices()):
        return
    from lancedb.index import IvfFlat, IvfRq

    clusters = max(16, rows // 400)
    how: Any = {"distance_type": "dot", "num_partitions": clusters, "max_iterations": 10, "sample_rate": 64}
    # LanceDB packs eight numbers at a time.
    can_be_packed = table.schema.field("vector").type.list_size % 8 == 0
    table.create_index("vector", config=IvfRq(num_bits=4, **how) if can_be_packed else IvfFlat(**how))
