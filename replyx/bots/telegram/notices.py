"""What a customer in Telegram is told where no answer can be given to what was sent."""

from __future__ import annotations

_TEXTS = {
    "voice": (
        "Голосовое сообщение я передал, но расслышать его пока не умею. Напишите, пожалуйста, вопрос текстом.",
        "I have kept your voice message, but I cannot understand speech yet. Please write your question.",
    ),
    "unheard": (
        "Голосовое сообщение я передал, но расслышать его не удалось. Напишите, пожалуйста, вопрос текстом.",
        "I have kept your voice message, but could not make out the words. Please write your question.",
    ),
    "file": (
        "Файл получен. Напишите, пожалуйста, в чём вопрос.",
        "I have received the file. Please write what your question is.",
    ),
    "unknown": (
        "Такие сообщения я читать не умею. Напишите, пожалуйста, вопрос текстом.",
        "I cannot read messages of this kind. Please write your question.",
    ),
    "unreadable": (
        "Ваше сообщение не удалось прочитать.",
        "Your message could not be read.",
    ),
    "unreadable_label": ("[Сообщение не прочитано]", "[A message that could not be read]"),
    "too_large": (
        "Файл слишком большой, я его не сохранил. Пришлите файл поменьше.",
        "The file is too large, and I have not kept it. Please send a smaller one.",
    ),
    "no_room": (
        "Файл сейчас не принять: места для файлов не осталось. Опишите вопрос текстом.",
        "The file cannot be taken now: there is no room for files. Please describe your question.",
    ),
    "virus": (
        "В файле найден вирус, я его не сохранил.",
        "A virus was found in the file, and I have not kept it.",
    ),
    "not_fetched": (
        "Файл не удалось получить. Пришлите его, пожалуйста, ещё раз.",
        "The file could not be fetched. Please send it again.",
    ),
}


def notice_text(key: str, language: str) -> str:
    """The text `key` in `language` (`en`, anything else is Russian)."""
    return _TEXTS[key][language == "en"]
