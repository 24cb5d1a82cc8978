"""A text's meaning as vectors: one for each of its sentences, and their mean.

A question is about one sentence of a passage more often than about all of them, so both are compared with it. The
sentences' vectors are kept as bytes, a quarter of what floats take: lengths do not matter, directions do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replyx.llm.sentences import split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

#: Sentences shorter than this, in characters, have no meaning of their own and join the next.
_SHORT = 40
#: Vectors of one text at most.
_MOST = 12


@dataclass(frozen=True)
class Scale:
    """Where cosines of one model stand on the scale of ranking, and which strengths are enough to answer from.

    `unrelated` is the cosine of texts that have nothing in common, `step` what one unit more of it counts, `peak` the
    part of the best sentence beside the mean of all.
    `russian`, `english` and `foreign` (question and passage in different scripts) are the strengths that 95 of 100
    questions with an answer reach.
    """

    unrelated: float = 0.0
    step: float = 1.0
    russian: float = 1.0
    english: float = 1.1
    foreign: float = 0.5
    peak: float = 0.5

    def likeness(self, mean: float, best: float) -> float:
        """How alike a question and a passage are: 0 not at all, about 0.5 much."""
        return ((1 - self.peak) * mean + self.peak * best - self.unrelated) * self.step

    def centre(self, *, is_cyrillic: bool) -> float:
        """The strength that is enough for a question in this script."""
        return self.russian if is_cyrillic else self.english


def parts(text: str) -> list[str]:
    """The sentences of `text`, short ones joined to the next; one at least."""
    found: list[str] = []
    start = 0
    units = split(text)
    least = max(_SHORT, len(text) // _MOST)
    for n, unit in enumerate(units):
        is_last = n + 1 == len(units)
        if unit.end - units[start].start < least and not is_last:
            continue
        found.append(text[units[start].start : unit.end])
        start = n + 1
    return found[:_MOST] or [text]


def pack(vectors: Vectors) -> bytes:
    """Rows as bytes that keep their directions."""
    import numpy as np

    most = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-9)
    packed: bytes = np.rint(vectors * (127 / most)).astype(np.int8).tobytes()
    return packed


def unpack(packed: bytes, dim: int) -> Vectors:
    """The rows, of length 1 each."""
    import numpy as np

    rows = np.frombuffer(packed, dtype=np.int8).reshape(-1, dim).astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return rows


def mean_of(vectors: Vectors) -> Vectors:
    """The mean direction of rows."""
    import numpy as np

    total: Vectors = vectors.sum(axis=0)
    total /= max(float(np.linalg.norm(total)), 1e-9)
    return total


def cosines(packed: Sequence[bytes], vector: Vectors) -> list[tuple[float, float]]:
    """For each text's sentences, the cosines of their mean and of their best with `vector`."""
    import numpy as np

    dim = len(vector)
    # As `unpack` makes them but for their lengths, by which less is divided afterwards.
    rows = np.frombuffer(b"".join(packed), dtype=np.int8).reshape(-1, dim).astype(np.float32)
    shorten = 1 / np.maximum(_lengths(rows), 1e-9)
    found = (rows @ vector) * shorten
    counts = [len(one) // dim for one in packed]
    starts = np.cumsum([0, *counts[:-1]])
    of_text = np.zeros((len(packed), len(rows)), dtype=np.float32)
    of_text[np.repeat(np.arange(len(packed)), counts), np.arange(len(rows))] = shorten
    # The mean direction's cosine is the sum of its sentences' over the length of the sum of their vectors.
    means = np.add.reduceat(found, starts) / np.maximum(_lengths(of_text @ rows), 1e-9)
    return list(zip(means.tolist(), np.maximum.reduceat(found, starts).tolist(), strict=True))


def _lengths(rows: Vectors) -> Vectors:
    import numpy as np

    lengths: Vectors = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths
