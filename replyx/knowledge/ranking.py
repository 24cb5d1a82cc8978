"""How well a passage fits a question: words and vectors in one calibrated score.

A passage's strength is BM25 over stems as a share of the question's weight, plus half the share of that weight which
stands together in two neighbouring sentences, plus the likeness of vectors. Where that leaves a doubt, the vectors of a
second, slower model are asked as well, for the best few. The constants were chosen on the development half of XQuAD in
both languages, over corpora of 5, 25 and 100 passages (`bench/retrieval.py` measures them); each stands on a plateau,
and none was fitted finer than the step to its neighbours.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING

from replyx.knowledge.languages import PLAIN
from replyx.knowledge.meaning import Scale, cosines
from replyx.knowledge.words import is_common, languages_in, stems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: BM25's saturation and length normalisation.
_K1, _B = 1.2, 0.75
#: What words that stand together, and like vectors, add.
_TOGETHER, _LIKENESS = 0.5, 1.5
#: What the first model's likeness adds where the second's is known.
_FIRST_BESIDE_SECOND = 1.0
#: Words of every text («как», "what") count for this part of their rarity.
_COMMON = 0.3
#: Imagined passages without any of the words: in a corpus of three, a word of one of them is rare all the same.
_BACKGROUND = 100
_SLOPE = 4.0
#: A passage in another script shares no words, so vectors decide alone, and are never sure: a score of 0.6 at most,
#: so that a passage with the question's own words comes first.
_FOREIGN_SLOPE, _FOREIGN_MOST = 1.5, 0.1
#: Passages that are looked at closely: their sentences, their likeness to each other, what the second model says.
CLOSELY = 24
#: The first model is sure of a passage this many times as strong as is enough, and so much stronger than the next:
#: of 524 questions in each language as many find their passage first as where the second model is always asked.
_SURE, _AHEAD = 1.3, 0.5
#: Words by which a passage's script is told, and their first letters; stems have no other Cyrillic ones.
_TELLING = 60
_CYRILLIC, _LATIN = "абвгдежзийклмнопрстуфхцчшщъыьэюя", "abcdefghijklmnopqrstuvwxyz"
#: All other bytes of cp1251, which has one for each letter of both.
_NOT_CYRILLIC, _NOT_LATIN = (bytes(set(range(256)) - set(one.encode("cp1251"))) for one in (_CYRILLIC, _LATIN))
#: Passages that share this part of their stems say the same.
_SAME = 0.9


@dataclass(frozen=True)
class Item:
    """A chunk (its id) or a Q&A pair (minus its id) as it is searched.

    `vector` is its mean direction and `parts` are its sentences' (`meaning.py`), `second` those of the second model;
    None where they are not known. `digest` proves that what else is stored under its id is of the same text.
    """

    id: int
    sentences: list[list[str]]
    vector: NDArray[np.float32] | None
    parts: bytes | None = None
    second: bytes | None = None
    digest: int | None = None

    def likeness(self, vector: NDArray[np.float32]) -> float:
        """The cosine to a question's vector; 0 where nothing is known of it."""
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

    def weights(self, question: Sequence[str], language: str = PLAIN) -> dict[str, float]:
        """Each stem of the question with its rarity."""
        total = self.count + _BACKGROUND
        return {
            stem: math.log(1 + (total - (n := self.frequency.get(stem, 0)) + 0.5) / (n + 0.5))
            * (_COMMON if is_common(stem, language) else 1)
            for stem in question
        }


class Ranked:
    """Passages with their words counted, ready to be asked."""

    def __init__(self, items: Sequence[Item], lexicon: Lexicon, *, only: frozenset[str] | None = None) -> None:
        """Count the words of `items`; with `only`, just those, which is quicker for a single question."""
        import numpy as np

        self.items = items
        self.lexicon = lexicon
        dim = next((len(item.vector) for item in items if item.vector is not None), 0)
        self._matrix = np.zeros((len(items), dim), dtype=np.float32)
        self._unknown = [row for row, item in enumerate(items) if item.vector is None]
        for row, item in enumerate(items):
            if item.vector is not None:
                self._matrix[row] = item.vector
        lengths = np.fromiter((sum(map(len, i.sentences)) for i in items), dtype=np.float32, count=len(items))
        self._norms = _K1 * (1 - _B + _B * lengths / (lexicon.mean_length or 1))
        self._cyrillic = np.fromiter((_is_cyrillic(i.sentences) for i in items), dtype=bool, count=len(items))
        self._postings = _postings(items, only)

    def best(
        self,
        question: Question,
        limit: int,
        first: Scale,
        second: Scale | None = None,
        complete: Callable[[Sequence[Item]], Sequence[Item]] | None = None,
    ) -> list[tuple[Item, float]]:
        """The best passages with their scores, best first, none saying the same as a better one.

        With `second` the second model is asked where the first leaves a doubt and knows the best few; `complete`
        brings its vectors where items were made without them.
        """
        if not self.items:
            return []
        found = self._looked_at(question, first)
        centre = first.centre(is_cyrillic=question.is_cyrillic)
        if second is not None and _in_doubt(found, centre):
            ahead = [one.item for one in found[:CLOSELY]]
            closer = _closer(found, complete(ahead) if complete else ahead, question, second)
            if closer:
                found, centre = closer, second.centre(is_cyrillic=question.is_cyrillic)
        kept = _distinct([(one.item, one.strength) for one in found], limit)
        return [(item, _score(strength - centre)) for item, strength in kept]

    def _looked_at(self, question: Question, first: Scale) -> list[_Seen]:
        """The best by the first model, strongest first."""
        import numpy as np

        weights = self.lexicon.weights(question.stems, question.language)
        total = sum(weights.values()) or 1.0
        words = np.zeros(len(self.items), dtype=np.float32)
        for stem, weight in weights.items():
            if stem in self._postings:
                rows, counts = self._postings[stem]
                words[rows] += weight * counts * (_K1 + 1) / (counts + self._norms[rows])
        words /= total
        means = self._means(question.vector, first)
        # A passage in another script comes close by its vector alone.
        rough = words + (means - first.unrelated) * first.step * np.where(
            self._cyrillic == question.is_cyrillic, _LIKENESS, 2 * _LIKENESS
        )
        near = np.argpartition(-rough, CLOSELY)[:CLOSELY] if len(rough) > CLOSELY else np.arange(len(rough))
        items = [self.items[row] for row in near.tolist()]
        peaks = _peaks(items, means[near], question.vector if self._fits(question.vector) else None)
        found = []
        for row, item, (mean, peak) in zip(near.tolist(), items, peaks, strict=True):
            lexical = float(words[row]) + _TOGETHER * _together(item.sentences, weights) / total
            is_foreign = bool(self._cyrillic[row] != question.is_cyrillic)
            likeness = first.likeness(mean, peak)
            strength = _strength(lexical + _LIKENESS * likeness, first, question, is_foreign=is_foreign)
            found.append(_Seen(item, strength, lexical, likeness, is_foreign))
        return sorted(found, key=_Seen.order)

    def _fits(self, vector: NDArray[np.float32]) -> bool:
        """Whether there is a vector, and of the model that the passages' are of."""
        return self._matrix.shape[1] in (0, len(vector)) and bool(vector.any())

    def _means(self, vector: NDArray[np.float32], first: Scale) -> NDArray[np.float32]:
        """The cosine of each passage's mean. Where nothing is known it counts as unrelated, and as no less."""
        import numpy as np

        if not self._fits(vector):
            return np.full(len(self.items), first.unrelated, dtype=np.float32)
        means = self._matrix @ vector if self._matrix.shape[1] else np.zeros(len(self.items), dtype=np.float32)
        means[self._unknown] = first.unrelated
        return means


@dataclass(frozen=True)
class _Seen:
    """A passage that was looked at: what its words say, and how like the question it is to the first model."""

    item: Item
    strength: float
    lexical: float
    likeness: float
    is_foreign: bool

    def order(self) -> tuple[float, int]:
        return -self.strength, self.item.id


#: Makes a question's vector.
Embed = Callable[[str], "NDArray[np.float32]"]


class Question:
    """A question as it is searched for. Its vector is made when it is first needed: words are looked up meanwhile."""

    def __init__(self, text: str, embed: Embed, second: Embed | None = None) -> None:
        self._text, self._embed, self._second = text, embed, second
        self._vectors: dict[bool, NDArray[np.float32]] = {}
        self.language = PLAIN
        self.stems = list(dict.fromkeys(stems(text)))
        self.is_cyrillic = _is_cyrillic([self.stems])

    def among(self, lexicon: Lexicon) -> Question:
        """The question in the words of this knowledge: stemmed in that of its languages that has most of them."""
        known = lexicon.frequency
        languages = languages_in(known)
        if len(languages) == 1:
            return self
        made = {language: list(dict.fromkeys(stems(self._text, language))) for language in languages}
        met = {language: sum(s in known or is_common(s, language) for s in found) for language, found in made.items()}
        # Where two have as many, as for a word of many languages, the first stands: Russian and English.
        again = copy(self)
        again.language = max(languages, key=lambda language: met[language])
        again.stems = made[again.language]
        return again

    # Python 3.11's `cached_property` has one lock for all questions, so that they would be embedded one after another.
    @property
    def vector(self) -> NDArray[np.float32]:
        if False not in self._vectors:
            self._vectors[False] = self._embed(self._text)
        return self._vectors[False]

    @property
    def second(self) -> NDArray[np.float32]:
        """The second model's vector."""
        if True not in self._vectors:
            self._vectors[True] = (self._second or self._embed)(self._text)
        return self._vectors[True]


def _in_doubt(found: Sequence[_Seen], centre: float) -> bool:
    """Whether the first model is not sure which passage answers, or whether any does."""
    if not found or found[0].is_foreign or found[0].strength < _SURE * centre:
        return True
    return len(found) > 1 and found[0].strength - found[1].strength < _AHEAD


def _closer(found: Sequence[_Seen], completed: Sequence[Item], question: Question, second: Scale) -> list[_Seen] | None:
    """The best few in the order of both models; None where the second does not know one of them yet."""
    packed = [item.second for item in completed if item.second is not None]
    if not packed or len(packed) < len(completed) or not question.second.any():
        return None
    again = []
    for seen, item, (mean, peak) in zip(found, completed, cosines(packed, question.second), strict=False):
        likeness = second.likeness(mean, peak)
        strength = seen.lexical + _LIKENESS * likeness + _FIRST_BESIDE_SECOND * seen.likeness
        strength = _strength(strength, second, question, is_foreign=seen.is_foreign)
        again.append(_Seen(item, strength, seen.lexical, seen.likeness, seen.is_foreign))
    return sorted(again, key=_Seen.order)


def _strength(strength: float, scale: Scale, question: Question, *, is_foreign: bool) -> float:
    """A strength that is enough at the same place whatever the scripts are."""
    if not is_foreign:
        return strength
    beyond = _FOREIGN_SLOPE * (strength - scale.foreign)
    if beyond > 0:
        beyond = _FOREIGN_MOST * (1 - math.exp(-beyond / _FOREIGN_MOST))
    return max(strength, scale.centre(is_cyrillic=question.is_cyrillic) + beyond)


def _score(beyond: float) -> float:
    """A strength's distance from what is enough, as a score between 0 and 1; 0.5 is where answering begins."""
    return 1 / (1 + math.exp(max(-60.0, min(60.0, -_SLOPE * beyond))))


def _peaks(
    items: Sequence[Item], means: NDArray[np.float32], vector: NDArray[np.float32] | None
) -> list[tuple[float, float]]:
    """The cosines of each item's mean and of its best sentence; one stands for both where sentences are not known."""
    known = [item.parts for item in items if item.parts]
    if vector is None or not known:
        return [(mean, mean) for mean in means.tolist()]
    best = iter(cosines(known, vector))
    return [(mean, next(best)[1] if item.parts else mean) for item, mean in zip(items, means.tolist(), strict=True)]


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
    # Most sentences have none of them.
    return max((sum([weights[stem] for stem in one | two]) for one, two in pairwise(met) if one or two), default=0.0)


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
    first = "".join([stem[0] for stem in islice(chain.from_iterable(sentences), _TELLING)])
    # Where all begin with ASCII none is Cyrillic; else letters are counted as bytes, at C's speed.
    if first.isascii():
        return False
    letters = first.encode("cp1251", "ignore")
    return len(letters.translate(None, _NOT_CYRILLIC)) > len(letters.translate(None, _NOT_LATIN))
