"""Text as stems: the words of a question meet those of a passage whatever their endings are."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Container
from functools import cache

from replyx.knowledge.languages import LANGUAGES, PLAIN, common_words, stemmer, told

#: Russian stems are cut to this length: «заморозка» meets «замороженный», which Snowball keeps apart.
_CUT = 6
#: Words whose stems are remembered; more than a few hundred documents have.
_REMEMBERED = 300_000

_WORD = re.compile(r"\w+")
_CYRILLIC = re.compile("[\u0430-\u052f]")
_LATIN = re.compile("[a-z\u00df-\u024f]")
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

#: What stands before the name of a text's language among its stems; no word has it.
_MARK = ":"

#: Language → word → stem.
_stems: dict[str, dict[str, str]] = defaultdict(dict)
#: A stemmer keeps the word that it works on in itself.
_stemming = threading.Lock()


def stems(text: str, language: str = PLAIN) -> list[str]:
    """The stems of all words of `text`, in order: by the rules of `language`, else of Russian or English by letters."""
    known = _stems[language]
    return [known.get(word) or _stem(word, language) for word in _WORD.findall(text.lower().replace("ё", "е"))]


def sentences(text: str) -> list[list[str]]:
    """The stems of `text`, sentence by sentence; where it is in another language, the first begins with its mark."""
    language = told(text)
    found = [made for part in _SENTENCE_END.split(text) if (made := stems(part, language))]
    if found and language != PLAIN:
        found[0].insert(0, _MARK + language)
    return found


def languages_in(known: Container[str]) -> list[str]:
    """The languages of texts whose stems are `known`, by their marks."""
    return [PLAIN, *(language for language in LANGUAGES if _MARK + language in known)]


def is_common(stem: str, language: str = PLAIN) -> bool:
    """Whether `stem` is of a word that stands in every text."""
    return stem in _common(language)


def key_of(question: str) -> str:
    """A question without case, punctuation and endings: equal keys mean the same question."""
    return " ".join(stems(question))


@cache
def _common(language: str) -> frozenset[str]:
    return frozenset(stems(_COMMON if language == PLAIN else common_words(language), language))


def _stem(word: str, language: str) -> str:
    known = _stems[language]
    if len(known) >= _REMEMBERED:
        known.clear()
    if _CYRILLIC.search(word):
        with _stemming:
            stem = stemmer("russian")(word)[:_CUT]
    elif _LATIN.search(word):
        with _stemming:
            stem = stemmer(language or "english")(word)
    else:
        stem = word
    known[word] = stem
    return stem
