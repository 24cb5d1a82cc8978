"""Text as stems: the words of a question meet those of a passage whatever their endings are."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

#: Russian stems are cut to this length: «заморозка» meets «замороженный», which Snowball keeps apart.
_CUT = 6
#: Words whose stems are remembered; more than a few hundred documents have.
_REMEMBERED = 300_000

_WORD = re.compile(r"\w+")
_CYRILLIC = re.compile("[а-я]")
_LATIN = re.compile("[a-z]")
_SENTENCE_END = re.compile(r"(?<=[.!?;…])\s+|\n+")

#: Words that a question has and its answer need not: they count for little.
_COMMON = (
    "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот от меня "
    "еще нет о из ему теперь когда даже ну ли если уже или ни быть был него до вас нибудь вам ведь там потом себя "
    "ничего ей может они тут где есть надо ней для мы тебя их чем была сам чтоб без будто чего раз тоже себе под будет "
    "тогда кто этот того потому этого какой совсем ним здесь этом один почти мой тем чтобы нее были куда зачем всех "
    "можно при об другой хоть после над больше тот через эти нас про всего них какая много эту моя свою этой перед "
    "том такой им более всю между это какие каком каких какую какое каким сколько почему который является нужно "
    "a an the of to in on at for from by with and or not is are was were be been being am do does did done has have "
    "had having i you he she it we they me him her us them my your his its our their this that these those what which "
    "who whom whose when where why how many much can could will would shall should may might must there here if then "
    "than as so no nor but about into over after before between out up down off own same such very too also just some "
    "any each all most other more few s t don"
)

_stems: dict[str, str] = {}
_common: frozenset[str] = frozenset()
_russian: Callable[[str], str] | None = None
_english: Callable[[str], str] | None = None
#: A stemmer keeps the word under work in itself: two threads in one would get each other's stems, or an IndexError.
_at_work = threading.Lock()


def stems(text: str) -> list[str]:
    """The stems of all words of `text`, in order. Russian and English words are stemmed, others are kept."""
    known = _stems
    return [known.get(word) or _stem(word) for word in _WORD.findall(text.lower().replace("ё", "е"))]


def sentences(text: str) -> list[list[str]]:
    """The stems of `text`, sentence by sentence."""
    return [found for part in _SENTENCE_END.split(text) if (found := stems(part))]


def is_common(stem: str) -> bool:
    """Whether `stem` is of a word that stands in every text."""
    global _common
    if not _common:
        _common = frozenset(stems(_COMMON))
    return stem in _common


def key_of(question: str) -> str:
    """A question without case, punctuation and endings: equal keys mean the same question."""
    return " ".join(stems(question))


def _stem(word: str) -> str:
    if len(_stems) >= _REMEMBERED:
        _stems.clear()
    with _at_work:
        stem = _stemmed(word)
    _stems[word] = stem
    return stem


def _stemmed(word: str) -> str:
    if _CYRILLIC.search(word):
        return _stemmers()[0](word)[:_CUT]
    return _stemmers()[1](word) if _LATIN.search(word) else word


def _stemmers() -> tuple[Callable[[str], str], Callable[[str], str]]:
    global _russian, _english
    if _russian is None or _english is None:
        import snowballstemmer

        _russian = snowballstemmer.stemmer("russian").stemWord
        _english = snowballstemmer.stemmer("english").stemWord
    return _russian, _english
