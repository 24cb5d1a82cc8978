"""What an owner may write into an assistant: each field's check, from a request's value to the column's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from replyx.assistants.origins import normalize_domains
from replyx.assistants.telegram_ways import api_base_field, proxy_field
from replyx.billing.money import MOST_KOPECKS
from replyx.errors import FieldIssue, ValidationFailed
from replyx.security.text import many_lines, one_line
from replyx.types import Channel, Json

LONGEST_NAME = 100
LONGEST_DESCRIPTION = 2_000
LONGEST_PROMPT = 20_000
LONGEST_TEXT = 2_000

#: Words that call a person: how many, and how long each.
MOST_KEYWORDS = 100
LONGEST_KEYWORD = 100

#: Models that have a price by tokens.
MOST_PRICED_MODELS = 100

_CHANNELS = frozenset(Channel)

_TELEGRAM_TOKEN = re.compile(r"[0-9]{6,12}:[A-Za-z0-9_-]{30,100}", re.ASCII)


def checked_fields(changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` by column, checked; all that is wrong is told at once.

    `ai_model` and `telegram_bot_token` are only taken as text here: whether they are any good others decide.

    Raises:
        ValidationFailed: a field is unknown or its value cannot be used.
    """
    found: dict[str, Any] = {}
    issues: list[FieldIssue] = []
    for field, value in changes.items():
        check = _CHECKS.get(field)
        if check is None:
            issues.append(FieldIssue(str(field), "Неизвестное поле", "Unknown field"))
            continue
        try:
            found[field] = check(value, field)
        except ValidationFailed as error:
            issues.extend(error.issues)
    if issues:
        raise ValidationFailed(issues)
    return found


def is_telegram_token(text: str) -> bool:
    """Whether `text` has the form of a bot's token; if it is a living one only Telegram knows."""
    return _TELEGRAM_TOKEN.fullmatch(text) is not None


def _name(value: object, field: str) -> str:
    return one_line(value, field, least=1, most=LONGEST_NAME)


def _description(value: object, field: str) -> str:
    return "" if value is None else many_lines(value, field, most=LONGEST_DESCRIPTION)


def _prompt(value: object, field: str) -> str:
    return "" if value is None else many_lines(value, field, most=LONGEST_PROMPT)


def _optional_text(value: object, field: str) -> str | None:
    return None if value is None else many_lines(value, field, most=LONGEST_TEXT) or None


def _optional_line(value: object, field: str) -> str | None:
    return None if value is None else one_line(value, field, most=200) or None


def _switch(value: object, field: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ValidationFailed.of(field, "Нужно true или false", "true or false is needed")


def _domains(value: Any, field: str) -> list[str]:
    return [] if value is None else normalize_domains(value, field)


def _keywords(value: object, field: str) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise ValidationFailed.of(field, "Нужен список слов", "A list of words is needed")
    if len(value) > MOST_KEYWORDS:
        raise ValidationFailed.of(field, f"Не больше {MOST_KEYWORDS} слов", f"At most {MOST_KEYWORDS} words")
    words = [one_line(word, f"{field}.{n}", least=1, most=LONGEST_KEYWORD) for n, word in enumerate(value)]
    return list(dict.fromkeys(words))


def _price(value: object, field: str) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= MOST_KOPECKS:
        raise ValidationFailed.of(field, "Некорректная цена", "Not a price")
    return value


def _threshold(value: object, field: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise ValidationFailed.of(field, "Нужно число от 0 до 1", "A number from 0 to 1 is needed")
    return float(value)


def _group(value: object, field: str) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not -(2**52) < value < 0:
        raise ValidationFailed.of(
            field,
            "Нужен id группы Telegram: отрицательное число, например -1001234567890",
            "The id of a Telegram group is needed: a negative number such as -1001234567890",
        )
    return value


def _prices(value: Any, field: str) -> Json | None:
    """Kopecks by channel, and by model under `per_1000_tokens`."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValidationFailed.of(field, "Нужен объект с ценами", "An object of prices is needed")
    found: Json = {}
    for key, price in value.items():
        if key == "per_1000_tokens" and isinstance(price, Mapping) and len(price) <= MOST_PRICED_MODELS:
            models = {
                one_line(name, f"{field}.{key}", least=1, most=LONGEST_NAME): sum_ for name, sum_ in price.items()
            }
            found[key] = {name: _price(sum_, f"{field}.{key}.{name}") or 0 for name, sum_ in models.items()}
        elif key in _CHANNELS and price is not None:
            found[key] = _price(price, f"{field}.{key}")
        else:
            raise ValidationFailed.of(f"{field}.{key}", "Такой цены нет", "There is no such price")
    return found or None


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "name": _name,
    "description": _description,
    "system_prompt": _prompt,
    "ai_model": _optional_line,
    "is_active": _switch,
    "telegram_bot_token": _optional_line,
    "website_integration": _switch,
    "allowed_domains": _domains,
    "handoff_keywords": _keywords,
    "not_found_text": _optional_text,
    "unavailable_text": _optional_text,
    "welcome_text": _optional_text,
    "price": _price,
    "prices": _prices,
    "daily_cap": _price,
    "answer_threshold": _threshold,
    "clarify_threshold": _threshold,
    "telegram_group_id": _group,
    "telegram_api_base": api_base_field,
    "telegram_proxy": proxy_field,
}
