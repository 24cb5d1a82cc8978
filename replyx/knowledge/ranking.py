"""How well a passage fits a question: words and vectors in one calibrated score.

A passage's strength is BM25 over stems as a share of the question's weight, plus half the share of that weight which
stands together in two neighbouring sentences, plus the similarity of vectors. The constants were chosen on the
development half of XQuAD in both languages, over corpora of 5, 25 and 100 passages (`bench/retrieval.py` measures
them); each stands on a plateau, and none was fitted finer than the step to its neighbours.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any

from replyx.knowledge.words import is_common, stems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: BM25's saturation and length normalisation.
_K1, _B = 1.2, 0.75
#: What words that stand together, and similar vectors, add.
_TOGETHER, _SIMILARITY = 0.5, 1.5
#: Words of every text («как», "what") count for this part of their rarity.
_COMMON = 0.3
#: Imagined passages without any of the words: in a corpus of three, a word of one of them is rare all the same.
_BACKGROUND = 100
#: Strength at which a score is 0.5: 95 of 100 questions that have an answer pass it. Russian inflects, so fewer of a
#: question's words are met.
_CENTRE_RU, _CENTRE_EN = 0.92, 1.15
_SLOPE = 4.0
#: A passage in another script shares no words, so vectors decide alone; this similarity scores 0.5, and most
#: passages of the right meaning stay below it: a wrong answer is worse than none.
_FOREIGN, _FOREIGN_SLOPE = 0.36, 5.0
#: Nor is it ever sure: a score of 0.6 at most, so that a passage with the question's own words comes first.
_FOREIGN_MOST = 0.1
#: Passages that are looked at closely (their sentences, their likeness to each other).
CLOSELY = 24
#: Words by which a passage's script is told.
_TELLING = 60
#: Passages that share this part of their stems say the same.
_SAME = 0.9


@dataclass(frozen=True)
class Item:
    """A chunk (its id) or a Q&A pair (minus its id) as it is searched; `vector` is None where it is not known.

    `cosine` is the likeness to the question that the item was looked up for, where the lookup told it.
    """

    id: int
    sentences: list[list[str]]
    vector: NDArray[np.float32] | None
    cosine: float | None = None

    def likeness(self, vector: NDArray[np.float32]) -> float:
        """The cosine to a question's vector; 0 where nothing is known of it."""
        if self.cosine is not None:
            return self.cosine
        return float(self.vector @ vector) if self.vector is not None else 0.0


@dataclass(frozen=True)
class Lexicon:
    """How rare words are: in how many of `count` passages of mean length `mean_length` each stands."""

    count: int
    mean_length: float
    frequency: Mapping[str, int]

    @classmethod
    def of(cls, documents: Sequence[Sequence[Sequence[str]]], count: int | None = None) -> Lexicon:
        """The lexicon of `documents`; as a sample of `count` where that is given."""
        found: Counter[str] = Counter()
        words = 0
        for sentences in documents:
            found.update({stem for sentence in sentences for stem in sentence})
            words += sum(map(len, sentences))
        size = len(documents)
        if count is not None and size and count > size:
            scale = count / size
            return cls(count, words / size, {stem: round(n * scale) for stem, n in found.items()})
        return cls(size, words / max(1, size), found)

    def weights(self, question: Sequence[str]) -> dict[str, float]:
        """Each stem of the question with its rarity."""
        total = self.count + _BACKGROUND
        return {
            stem: math.log(1 + (total - (n := self.frequency.get(stem, 0)) + 0.5) / (n + 0.5))
            * (_COMMON if is_common(stem) else 1)
            for stem in question
        }


class Ranked:
    """Passages with their words counted, ready to be asked."""

    def __init__(
        self, items: Sequence[Item], lexicon: Lexicon, dim: int, *, only: frozenset[str] | None = None
    ) -> None:
        """Count the words of `items`; with `only`, just those, which is quicker for a single question."""
        import numpy as np

        self.items = items
        self.lexicon = lexicon
        self._matrix = np.zeros((len(items), dim), dtype=np.float32)
        self._told = {row: item.cosine for row, item in enumerate(items) if item.cosine is not None}
        for row, item in enumerate(items):
            if item.vector is not None:
                self._matrix[row] = item.vector
        lengths = np.fromiter((sum(map(len, i.sentences)) for i in items), dtype=np.float32, count=len(items))
        self._norms = _K1 * (1 - _B + _B * lengths / (lexicon.mean_length or 1))
        self._cyrillic = np.fromiter((_is_cyrillic(i.sentences) for i in items), dtype=bool, count=len(items))
        self._postings = _postings(items, only)

    def best(self, question: Question, limit: int, similarity: Callable[[Any], Any]) -> list[tuple[Item, float]]:
        """The best passages with their scores, best first, none saying the same as a better one."""
        import numpy as np

        if not self.items:
            return []
        weights = self.lexicon.weights(question.stems)
        total = sum(weights.values()) or 1.0
        words = np.zeros(len(self.items), dtype=np.float32)
        for stem, weight in weights.items():
            if stem in self._postings:
                rows, counts = self._postings[stem]
                words[rows] += weight * counts * (_K1 + 1) / (counts + self._norms[rows])
        cosines = self._matrix @ question.vector
        cosines[list(self._told)] = list(self._told.values())
        alike = similarity(cosines)
        strength = words / total + _SIMILARITY * alike
        beyond = _FOREIGN_SLOPE * (alike - _FOREIGN)
        foreign = question.centre + np.where(
            beyond > 0, _FOREIGN_MOST * (1 - np.exp(-np.maximum(beyond, 0) / _FOREIGN_MOST)), beyond
        )
        is_foreign = self._cyrillic != question.is_cyrillic
        rough = np.where(is_foreign, np.maximum(strength, foreign), strength)
        near = np.argpartition(-rough, CLOSELY)[:CLOSELY] if len(rough) > CLOSELY else np.arange(len(rough))
        scored = []
        for row in near:
            fine = float(strength[row]) + _TOGETHER * _together(self.items[row].sentences, weights) / total
            scored.append((max(fine, float(foreign[row])) if is_foreign[row] else fine, int(row)))
        scored.sort(key=lambda pair: (-pair[0], self.items[pair[1]].id))
        kept = _distinct([(self.items[row], strength) for strength, row in scored], limit)
        return [(item, question.score(strength)) for item, strength in kept]


class Question:
    """A question as it is searched for. Its vector is made when it is first needed: words are looked up meanwhile."""

    def __init__(self, text: str, embed: Callable[[str], NDArray[np.float32]]) -> None:
        self._text, self._embed = text, embed
        self.stems = list(dict.fromkeys(stems(text)))
        self.is_cyrillic = _is_cyrillic([self.stems])

    @cached_property
    def vector(self) -> NDArray[np.float32]:
        return self._embed(self._text)

    @property
    def centre(self) -> float:
        return _CENTRE_RU if self.is_cyrillic else _CENTRE_EN

    def score(self, strength: float) -> float:
        """A strength as a score between 0 and 1; 0.5 is where answering begins."""
        return 1 / (1 + math.exp(max(-60.0, min(60.0, _SLOPE * (self.centre - strength)))))


def _postings(
    items: Sequence[Item], only: frozenset[str] | None
) -> dict[str, tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """Stem → the rows it stands in, and how often in each."""
    import numpy as np

    found: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for row, item in enumerate(items):
        words = [stem for sentence in item.sentences for stem in sentence]
        counts = Counter(words) if only is None else {stem: words.count(stem) for stem in only.intersection(words)}
        for stem, count in counts.items():
            rows, numbers = found[stem]
            rows.append(row)
            numbers.append(count)
    return {
        stem: (np.array(rows, dtype=np.int32), np.array(numbers, dtype=np.float32))
        for stem, (rows, numbers) in found.items()
    }


def _together(sentences: Sequence[Sequence[str]], weights: Mapping[str, float]) -> float:
    """The most weight of the question that stands in two neighbouring sentences."""
    met = [weights.keys() & sentence for sentence in map(set, sentences)]
    if len(met) < 2:
        return sum(weights[stem] for stem in met[0]) if met else 0.0
    return max(sum(weights[stem] for stem in one | two) for one, two in pairwise(met))


def _distinct(found: Sequence[tuple[Item, float]], limit: int) -> list[tuple[Item, float]]:
    kept: list[tuple[Item, float]] = []
    seen: list[set[str]] = []
    for item, strength in found:
        words = {stem for sentence in item.sentences for stem in sentence}
        if not any(len(words & other) >= _SAME * len(words | other) for other in seen):
            kept.append((item, strength))
            seen.append(words)
        if len(kept) == limit:
            break
    return kept


def _is_cyrillic(sentences: Sequence[Sequence[str]]) -> bool:
    """Whether most of the words are Cyrillic, by the first of them."""
    first = [stem[0] for stem in islice(chain.from_iterable(sentences), _TELLING)]
    cyrillic = sum("а" <= letter <= "я" for letter in first)
    return cyrillic > sum("a" <= letter <= "z" for letter in first)
