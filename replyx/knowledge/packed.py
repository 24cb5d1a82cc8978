"""What a lookup brings of a row, in one column: LanceDB takes half a millisecond for each further one.

`item_id` and `digest`, the vector in half precision, the stems, the sentences' vectors (`meaning.py`). The columns that
LanceDB filters by, indexes and compares with stand beside it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replyx.knowledge.ranking import Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Item, digest, numbers of the vector, bytes of the stems.
_HEAD = struct.Struct("<qqII")


@dataclass(frozen=True)
class Row:
    """One searchable thing as it is stored."""

    item_id: int
    assistant_id: int
    document_id: int
    digest: int
    sentences: list[list[str]]
    vector: NDArray[np.float32]
    parts: bytes

    @property
    def stems(self) -> str:
        """The stems as they are indexed: a sentence a line, parted by spaces."""
        return "\n".join(" ".join(sentence) for sentence in self.sentences)


@dataclass(frozen=True)
class Known:
    """What is stored of one item, without its words."""

    digest: int
    vector: NDArray[np.float32]
    parts: bytes


def pack_row(row: Row) -> bytes:
    """The row as `item_of` reads it."""
    import numpy as np

    stems = row.stems.encode()
    head = _HEAD.pack(row.item_id, row.digest, len(row.vector), len(stems))
    return b"".join((head, row.vector.astype(np.float16).tobytes(), stems, row.parts))


def item_of(packed: bytes) -> Item:
    """A packed row as it is searched."""
    import numpy as np

    item_id, digest, dim, length = _HEAD.unpack_from(packed)
    vector = np.frombuffer(packed, dtype=np.float16, count=dim, offset=_HEAD.size).astype(np.float32)
    start = _HEAD.size + 2 * dim
    stems = packed[start : start + length].decode()
    return Item(item_id, sentences_of(stems), vector, packed[start + length :], None, digest)


def known_of(packed: bytes, vector: NDArray[np.float32]) -> tuple[int, Known]:
    """The id of a packed row's item, and what is stored of it; `vector` is the whole one."""
    item_id, digest, dim, length = _HEAD.unpack_from(packed)
    return item_id, Known(digest, vector, packed[_HEAD.size + 2 * dim + length :])


def sentences_of(stems: str) -> list[list[str]]:
    """Stems as they are stored, sentence by sentence."""
    return [line.split(" ") for line in stems.split("\n") if line]
