"""The engine without a model: it quotes the part of the best passage that answers the question, word for word."""

from __future__ import annotations

import functools
import math
import re
import threading
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from replyx.errors import EngineFailed
from replyx.llm.engine import EngineRequest, Passage, ShouldStop, Usage
from replyx.llm.prompt import language_of
from replyx.llm.sentences import Unit, split
from replyx.types import EngineName

#: Longest quotation, most sentences of one, and how short a quotation is given its neighbours, in characters.
_MOST_CHARACTERS, _MOST_SENTENCES, _SHORT = 700, 4, 160

#: Passages after this one are too far from the question to be quoted.
_PASSAGES = 4

#: What a passage's own score weighs beside the words that its best sentences share with the question.
_PASSAGE_WEIGHT = 0.6

#: Characters of one streamed piece, about.
_PIECE = 24

_stemming = threading.Lock()

_WORD = re.compile(r"\w+(?:[-'’]\w+)*")

#: Words that say nothing of what is asked.
_STOP_WORDS = """
    а без бы был была были было быть в вам вас ведь весь во вот все всё всех вы где да даже для до его ее её ей ему если
    есть еще ещё же за и из или им их к как какая какие какой каков какова каково каковы ко когда кто ли лишь мне может
    можно мой моя мы на над надо нам нас не него нее неё нет ни них но ну о об от по под при про с сам сколько со так
    такая такие такое такой там тебя то того тоже только том тот ты у уже чего чем что чтобы чьё эта эти это этот я
    нужно подскажите скажите пожалуйста расскажите хочу
    a about an and any are as at be been but by can could did do does for from had has have how i if in into is it its
    me my of on or our please should so tell than that the their them then there these they this those to was we were
    what when where which who why will with would you your
"""
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True)
class Extract:
    """A quotation: `text` stands in the passage of this `index` exactly as it is here."""

    text: str
    index: int


class ExtractiveEngine:
    """Answers by quoting. Needs nothing but the passages; the same question gets the same answer."""

    name = EngineName.EXTRACTIVE

    def stream(self, request: EngineRequest, should_stop: ShouldStop) -> Generator[str, None, Usage]:
        """Yield the quotation in small pieces, then its passage's number; it used no tokens.

        Raises:
            EngineFailed: there is no passage to quote.
        """
        extract = quote(request.question, request.passages)
        if extract is None:
            raise EngineFailed("There is no passage to answer from", retryable=False)
        for piece in _pieces(extract.text):
            if should_stop():
                return Usage()
            yield piece
        yield f" [{extract.index + 1}]"
        return Usage()

    def close(self) -> None:
        """Nothing is held."""


def quote(question: str, passages: Sequence[Passage]) -> Extract | None:
    """The part of the best passage that answers `question`: up to four sentences or a list; None without passages."""
    asked = _stems(question, language_of(question))
    candidates = [
        (index, p, split(p.text)) for index, p in enumerate(passages[:_PASSAGES]) if p.text and not p.text.isspace()
    ]
    if not candidates:
        return None
    weights = _weights(asked, candidates)
    best: tuple[float, Extract] | None = None
    top = max(max(p.score for _, p, _ in candidates), 1e-9)
    for index, passage, units in candidates:
        score, start, end = _best_window(passage, units, weights)
        score += _PASSAGE_WEIGHT * passage.score / top * (1.0 - 0.05 * index)
        if best is None or score > best[0] + 1e-9:
            best = (score, Extract(_cut(passage.text[start:end]), index))
    return best[1] if best else None


def _best_window(passage: Passage, units: list[Unit], weights: dict[str, float]) -> tuple[float, int, int]:
    """The score (share of the question's words, 0 to 1) and the span of the sentences to quote."""
    text = passage.text
    found = [_stems(text[u.start : u.end], language_of(text)) & weights.keys() for u in units]
    total = sum(weights.values()) or 1.0
    titled = _stems(passage.heading or "", language_of(text)) & weights.keys()
    best, best_score = (0, 0), -1.0
    for first, unit in enumerate(units):
        if _only_asks(text, unit) and first + 1 < len(units):
            continue
        covered: set[str] = set()
        for last in range(first, min(len(units), first + _MOST_SENTENCES)):
            # A quotation runs over no heading: what follows is another matter.
            if last > first and (units[last].end - unit.start > _MOST_CHARACTERS or _only_asks(text, units[last])):
                break
            covered |= found[last]
            # What stands right under a heading or a question that says the words of the question is its answer.
            above = found[first - 1] if first and _only_asks(text, units[first - 1]) else frozenset[str]()
            lead = 0.5 * _sum(above - covered, weights) + (0.25 * _sum(titled - covered, weights) if first == 0 else 0)
            score = (_sum(covered, weights) + lead) / total - 0.03 * (last - first)
            if score > best_score + 1e-9:
                best, best_score = (first, last), score
    first, last = _with_neighbours(text, units, *best)
    return best_score, units[first].start, units[last].end


def _with_neighbours(text: str, units: list[Unit], first: int, last: int) -> tuple[int, int]:
    """The window made useful: a list whole with the words above it, a short sentence with what follows it."""
    if units[first].is_item or units[last].is_item or (_promises(text, units[last]) and _item_at(units, last + 1)):
        return _whole_list(text, units, first, last)
    while last + 1 < len(units) and last - first + 1 < _MOST_SENTENCES:
        following = units[last + 1]
        short = units[last].end - units[first].start < _SHORT and following.block == units[last].block
        if not (short or _promises(text, units[last])) or following.end - units[first].start > _MOST_CHARACTERS:
            break
        if _only_asks(text, following):
            break
        last += 1
    return first, last


def _whole_list(text: str, units: list[Unit], first: int, last: int) -> tuple[int, int]:
    start, end = first, last
    while start and units[start].is_item and units[start - 1].is_item:
        start -= 1
    if start and units[start].is_item and _promises(text, units[start - 1]):
        start -= 1
    while (
        end + 1 < len(units) and units[end + 1].is_item and units[end + 1].end - units[start].start <= _MOST_CHARACTERS
    ):
        end += 1
    # A list too long to stand whole begins where the question's words are.
    return (start, end) if units[end].end - units[start].start <= _MOST_CHARACTERS else (first, last)


def _item_at(units: list[Unit], index: int) -> bool:
    return index < len(units) and units[index].is_item


def _promises(text: str, unit: Unit) -> bool:
    """It ends with a colon: the answer is what follows."""
    return text[unit.end - 1] == ":"


def _only_asks(text: str, unit: Unit) -> bool:
    """A heading or a question: it names a matter and does not answer."""
    return unit.is_heading or text[unit.start : unit.end].rstrip("\"'»”’)").endswith("?")


def _sum(stems: Iterable[str], weights: dict[str, float]) -> float:
    return sum(weights[stem] for stem in stems)


def _weights(asked: frozenset[str], candidates: list[tuple[int, Passage, list[Unit]]]) -> dict[str, float]:
    """What each word of the question is worth: rare in the passages is worth more."""
    seen: Counter[str] = Counter()
    count = 0
    for _, passage, units in candidates:
        language = language_of(passage.text)
        for unit in units:
            seen.update(_stems(passage.text[unit.start : unit.end], language) & asked)
            count += 1
    return {stem: math.log(1 + (count + 1) / (seen[stem] + 1)) for stem in sorted(asked)}


def _stems(text: str, language: str) -> frozenset[str]:
    words = (word.lower().replace("ё", "е") for word in _WORD.findall(text))
    return frozenset(_stem(word, language) for word in words if word not in _STOP)


@functools.lru_cache(maxsize=50_000)
def _stem(word: str, language: str) -> str:
    # A Russian text is full of English names; each word is stemmed by its own letters.
    stemmer = _stemmer(language_of(word, language))
    # A stemmer keeps the word it works on in itself.
    with _stemming:
        stemmed: str = stemmer.stemWord(word)
    return stemmed


@functools.cache
def _stemmer(language: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("russian" if language == "ru" else "english")


def _cut(text: str) -> str:
    """`text` within the limit, ending at a word."""
    if len(text) <= _MOST_CHARACTERS:
        return text
    head = text[:_MOST_CHARACTERS]
    space = max(head.rfind(" "), head.rfind("\n"))
    return head[: space if space > _MOST_CHARACTERS // 2 else _MOST_CHARACTERS].rstrip()


def _pieces(text: str) -> Iterable[str]:
    start = 0
    for match in re.finditer(r"\s+", text):
        if match.end() - start >= _PIECE:
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]
