"""Which language a text is in, told by its commonest words, and the stemmer of that language.

Russian and English need no telling: their words are known by their letters. A text in another language of this table is
stemmed by its own rules; one in a language without rules (Ukrainian, Kazakh, Czech …) as Russian or English, by its
letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import chain

#: The language of texts whose words are stemmed by their letters alone: Russian, English, and what is not told.
PLAIN = ""

#: The commonest words of each language: by them it is told, and they count for little when they are searched for.
_COMMONEST = {
    "german": "der die das und ist nicht ein eine einen einem einer den dem des mit von für auf im zu zur zum sich wir "
    "sie es ich wie was wo wann warum wer welche welcher werden wird kann können haben hat auch aus bei nach oder wenn "
    "aber nur noch sind war über als an um durch",
    "french": "le la les un une des du de et est pas ne que qui dans pour sur avec au aux ce cette ces il elle nous "
    "vous ils je où quand comment pourquoi quel quelle quels combien être sont a ont peut plus par ou mais se son sa "
    "ses votre notre en",
    "spanish": "el la los las un una unos unas de del y es no que en por para con se su sus al lo como más pero o este "
    "esta estos qué cómo cuándo dónde cuánto cuál quién son está ser puede hay nos usted yo si ya le",
    "italian": "il lo la i gli le un una uno di del della dei delle e è non che in per con si da dal al alla come più "
    "ma o questo questa cosa dove quando quanto perché chi quale sono essere può ha ho nel nella sul sulla anche se ci",
    "portuguese": "o a os as um uma de do da dos das e é não que em no na nos nas para por com se ao à como mais mas "
    "ou este esta isso onde quando quanto qual quem são ser está pode há você seu sua pelo pela também",
    "dutch": "de het een en is niet van op te in met voor aan dat die er ik je we wij u uw ze zij hoe wat waar wanneer "
    "waarom wie welke worden wordt kan kunnen hebben heeft ook uit bij naar of als maar nog zijn was om door over",
    "turkish": "bir ve bu da de ne için ile mi mı mu mü çok daha en gibi kadar var yok ben biz siz o nasıl nerede "
    "zaman neden kim hangi kaç olan olarak değil ama veya ya her şu ise sonra önce",
    "polish": "i w na z do się nie jest to że o jak od po za przez dla ale czy co gdzie kiedy dlaczego kto który która "
    "które jaki jaka ile są być może ma oraz lub także tym tego ten ta te przy pod nad",
}
LANGUAGES = tuple(_COMMONEST)
#: Different common words that a text has at least, and the part of its words that they are.
_LEAST, _SHARE = 2, 0.15
#: English is told by these: a text that is as near to it as to another language is English.
_ENGLISH = (
    "the of to and in is that for it as was with be by on not are this from or have an they which you were at has but "
    "can will if what how do does where when who why your we our my i a no"
)
_WORD = re.compile("[a-z\u00df-\u024f\u0400-\u052f]+")
#: Characters by which a text's language is told.
_TELLING = 1500


@cache
def _languages_of() -> dict[str, tuple[str, ...]]:
    """Common word → the languages that have it."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(_ENGLISH.split(), (PLAIN,))
    for language, words in _COMMONEST.items():
        for word in words.split():
            found[word] = (*found.get(word, ()), language)
    return found


def common_words(language: str) -> str:
    """The commonest words of a language of the table."""
    return _COMMONEST[language]


def told(text: str) -> str:
    """The language of `text`; `PLAIN` where it is Russian, English, none of the table, or cannot be told."""
    words = _WORD.findall(text[:_TELLING].lower())
    known = _languages_of()
    met = [word for word in words if word in known]
    counts = Counter(chain.from_iterable(known[word] for word in met))
    if not counts:
        return PLAIN
    best = max(counts, key=lambda language: (counts[language], language == PLAIN))
    different = sum(best in known[word] for word in set(met))
    return best if different >= _LEAST and counts[best] >= _SHARE * len(words) else PLAIN


@cache
def stemmer(language: str) -> Callable[[str], str]:
    """The stemmer of a language; one thread at a time may use it."""
    import snowballstemmer

    stem: Callable[[str], str] = snowballstemmer.stemmer(language).stemWord
    return stem
