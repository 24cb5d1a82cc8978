"""Questions grouped by what they ask: near in meaning, or in their telling words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from replyx.knowledge.embedders import Embedder
from replyx.knowledge.words import is_common, stems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: What two questions' likeness gains where all telling words of the shorter one are in the other.
_SHARED = 0.3
#: Mean likeness of two groups from which they are one.
#: Of 22 Russian questions about six things, 0.32 to 0.36 keeps the things apart and joins 20 or 19 to their like.
_ALIKE = 0.36


def group(texts: Sequence[str], embedder: Embedder) -> list[list[int]]:
    """Places of `texts` in groups, the largest first; in each the most typical text comes first.

    Groups are joined by their mean likeness, nearest first (average linkage): one text between two groups does not
    draw them together. Cubic in time: for some hundred texts.
    """
    if not texts:
        return []
    import numpy as np

    likeness = _likeness(texts, embedder)
    groups: list[list[int] | None] = [[place] for place in range(len(texts))]
    # Sums of likeness between groups; a joined one's row holds both.
    sums = likeness.copy()
    sizes = np.ones(len(texts))
    means = sums.copy()
    np.fill_diagonal(means, -1.0)
    while True:
        one, other = np.unravel_index(int(means.argmax()), means.shape)
        if means[one, other] < _ALIKE:
            break
        groups[one] = [*(groups[one] or []), *(groups[other] or [])]
        groups[other] = None
        sums[one] += sums[other]
        sums[:, one] += sums[:, other]
        sizes[one] += sizes[other]
        means[one] = sums[one] / (sizes[one] * sizes)
        means[:, one] = means[one]
        means[one, one] = -1.0
        means[other] = means[:, other] = -1.0
        sizes[other] = np.inf
    found = [_typical_first(places, likeness) for places in groups if places]
    return sorted(found, key=len, reverse=True)


def _typical_first(places: list[int], likeness: NDArray[np.float64]) -> list[int]:
    weights = likeness[places][:, places].sum(axis=1)
    return [place for _, place in sorted(zip(-weights, places, strict=True))]


def _likeness(texts: Sequence[str], embedder: Embedder) -> NDArray[np.float64]:
    import numpy as np

    vectors = np.asarray(embedder.embed_passages(texts), dtype=np.float64)
    cosines = vectors @ vectors.T
    scale = embedder.scale
    found: NDArray[np.float64] = (cosines - scale.unrelated) * scale.step
    words = [{stem for stem in stems(text) if not is_common(stem)} for text in texts]
    for one, mine in enumerate(words):
        for other in range(one):
            theirs = words[other]
            least = min(len(mine), len(theirs))
            if least and (shared := len(mine & theirs)):
                found[one, other] += _SHARED * shared / least
                found[other, one] = found[one, other]
    return found
