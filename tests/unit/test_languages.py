"""Languages are told by their commonest words; a question meets passages of another language by its own rules."""

from __future__ import annotations

import numpy as np
import pytest

from replyx.knowledge.corpus import chunk_entry
from replyx.knowledge.languages import PLAIN, told
from replyx.knowledge.meaning import Scale
from replyx.knowledge.ranking import Item, Lexicon, Question, Ranked
from replyx.knowledge.words import key_of, sentences

_TEXTS = {
    "german": "Die Lieferung dauert drei bis fünf Werktage. Wir liefern nur innerhalb von Deutschland.",
    "french": "Les retours sont acceptés pendant quatorze jours si vous avez le ticket de caisse.",
    "spanish": "La garantía de los electrodomésticos es de dos años y el servicio está en Madrid.",
    "italian": "Il pagamento può essere effettuato con la carta o in contanti alla consegna.",
    "portuguese": "A entrega é feita em três dias úteis para todas as cidades do país.",
    "dutch": "De levering duurt drie dagen en het pakket wordt bij u thuis bezorgd.",
    "turkish": "Teslimat üç gün sürer ve ürünler için iade süresi on dört gündür.",
    "polish": "Zwrot jest możliwy w ciągu czternastu dni, jeśli masz paragon z zakupów.",
}


@pytest.mark.parametrize(("language", "text"), _TEXTS.items())
def test_a_text_tells_its_language(language: str, text: str) -> None:
    assert told(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "The delivery takes three days, and you can return it for a full refund within two weeks.",
        "Доставка занимает три дня. Номер de luxe с видом на море.",
        "Гарантія діє один рік, сервісний центр знаходиться у Києві.",
        "Set the son's die in the war zone; come as you are.",
        "apt-get install locales-all de_DE.UTF-8",
        "",
    ],
)
def test_russian_english_and_what_cannot_be_told_are_left_to_their_letters(text: str) -> None:
    assert told(text) == PLAIN


def _asked(question: str, *texts: str) -> list[tuple[int, float]]:
    items = [Item(n, sentences(text), None) for n, text in enumerate(texts, 1)]
    ranked = Ranked(items, Lexicon.of([item.sentences for item in items]))
    asked = Question(question, lambda _: np.zeros(2, dtype=np.float32)).among(ranked.lexicon)
    return [(item.id, score) for item, score in ranked.best(asked, 6, Scale(russian=0.95, english=1.15))]


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Welche Lieferungen gibt es?", "german"),
        ("retour accepté ?", "french"),
        ("garantías de electrodoméstico", "spanish"),
        ("pagamenti con carte", "italian"),
    ],
)
def test_words_of_another_language_meet_whatever_their_endings(question: str, language: str) -> None:
    others = [text for name, text in _TEXTS.items() if name != language]

    (first, score), (_, next_score), *_ = _asked(question, _TEXTS[language], *others)

    assert first == 1
    assert score > next_score


def test_russian_and_english_questions_are_as_they_were_beside_other_languages() -> None:
    texts = ("Returns are accepted within two weeks.", "Возврат товара за 14 дней.", *_TEXTS.values())

    assert _asked("How do I return it?", *texts)[0][0] == 1
    assert _asked("как вернуть товары", *texts)[0][0] == 2


def test_words_of_languages_without_rules_meet_by_their_beginnings() -> None:
    assert key_of("доставками") == key_of("доставкою")
    assert key_of("Гарантійний") == key_of("гарантійного")


def test_a_text_whose_stems_are_made_by_other_rules_is_indexed_anew() -> None:
    plain, german = (chunk_entry(1, 1, text, None) for text in ("Delivery takes days.", _TEXTS["german"]))

    assert sentences(german.words)[0][0] == ":german"
    assert not sentences(plain.words)[0][0].startswith(":")
    assert plain.digest != german.digest
