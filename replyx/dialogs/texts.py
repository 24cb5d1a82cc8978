"""What the assistant says where no engine speaks, in the customer's language."""

from __future__ import annotations

import re

_TEXTS: dict[str, dict[str, str]] = {
    "not_found": {
        "ru": "В моих документах нет ответа на этот вопрос. Хотите, я позову оператора?",
        "en": "My documents do not answer this. Would you like me to call a person?",
    },
    "clarify": {
        "ru": "Может быть, вы спрашиваете об этом? Тогда уточните, пожалуйста:",
        "en": "Did you mean one of these? Then please say it more precisely:",
    },
    "unavailable": {
        "ru": "Сейчас я не могу ответить. Я передал ваш вопрос оператору.",
        "en": "I cannot answer right now. I have passed your question to a person.",
    },
    "greeting": {
        "ru": "Здравствуйте! Задайте вопрос, и я поищу ответ в документах.",
        "en": "Hello! Ask a question, and I will look for the answer in the documents.",
    },
    "thanks": {"ru": "Пожалуйста! Обращайтесь.", "en": "You are welcome!"},
    "joined": {"ru": "Оператор {name} подключился к диалогу", "en": "Operator {name} has joined the dialog"},
    "operator": {"ru": "Оператор", "en": "Operator"},
    "called": {
        "ru": "Я позвал оператора. Он ответит здесь, писать можно уже сейчас.",
        "en": "I have called a person. They will answer here; you can write already now.",
    },
    "left": {
        "ru": "Оператор завершил разговор. Вам снова отвечает помощник.",
        "en": "The operator has left. The assistant answers you again.",
    },
}

_SMALL_TALK = {
    "greeting": re.compile(
        r"(?:привет(?:ик|ствую)?|здравствуй(?:те)?|здрасьте|добрый (?:день|вечер)|доброе утро|доброго времени суток"
        r"|hi|hello|hey|good (?:morning|afternoon|evening)|/start)(?: there| all| всем)?",
        re.IGNORECASE,
    ),
    "thanks": re.compile(
        r"(?:большое )?(?:спасибо|благодарю|спс)(?: большое| вам)?|thank(?:s| you)(?: very much| a lot)?", re.IGNORECASE
    ),
}

_EDGE = " \t\r\n!.,?)(:;…-—👋🙏"


def language_of(locale: str | None) -> str:
    """`en` or `ru`: what a customer of this locale is spoken to in."""
    return "en" if (locale or "").lower().startswith("en") else "ru"


def say(key: str, language: str, **values: str) -> str:
    """The text `key` in `language` (`en`, anything else is Russian)."""
    return _TEXTS[key]["en" if language == "en" else "ru"].format(**values)


def small_talk(text: str) -> str | None:
    """`greeting` or `thanks` where the whole message is no more than that."""
    plain = text.strip(_EDGE)
    return next((key for key, pattern in _SMALL_TALK.items() if pattern.fullmatch(plain)), None)
