"""What may stand in the fields of an AI key: each check returns the value in the form that is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from replyx.errors import FieldIssue, ValidationFailed

#: Where `base_url` points when nothing is said.
DEFAULT_BASE_URL = "https://api.openai.com/v1"

#: Names that mean engines of this machine; a key that claimed them would never be asked.
_OWN_NAMES = ("extractive", "local/")

#: Far more than anyone calls; keeps the counters inside the column.
_MOST = 2_000_000_000


class _Refused(ValueError):
    """A value that may not stand; carries both sentences."""

    def __init__(self, ru: str, en: str) -> None:
        super().__init__(en)
        self.ru, self.en = ru, en


def check_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The checked form of `values`, which are fields of a key by their names in the API.

    Raises:
        ValidationFailed: names every field that was refused, unknown ones too.
    """
    checked: dict[str, Any] = {}
    issues = []
    for name, value in values.items():
        check = _CHECKS.get(name)
        if check is None:
            issues.append(FieldIssue(name, "Такого поля нет", "There is no such field"))
            continue
        try:
            checked[name] = check(value)
        except _Refused as refusal:
            issues.append(FieldIssue(name, refusal.ru, refusal.en))
    if issues:
        raise ValidationFailed(issues)
    return checked


def _name(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(text) <= 100 or not text.isprintable():
        raise _Refused("Название: от 1 до 100 печатных знаков", "A name of 1 to 100 printable characters")
    return text


def _token(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    # It becomes an HTTP header: anything else could not be sent, and the error would show it.
    if not 1 <= len(text) <= 2000 or not all("!" <= c <= "~" for c in text):
        raise _Refused(
            "Ключ: от 1 до 2000 латинских знаков без пробелов. Скопируйте его целиком",
            "A key of 1 to 2000 ASCII characters without spaces. Copy it whole",
        )
    return text


def _base_url(value: Any) -> str:
    text = value.strip().rstrip("/").removesuffix("/chat/completions") if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    plain = text.isascii() and text.isprintable() and not set(text) & set(' \\?#<>"')
    if not known or not plain or "@" in urlsplit(text).netloc or len(text) > 300:
        raise _Refused(
            f"Адрес API: http(s)://хост/путь без логина и параметров, например {DEFAULT_BASE_URL}",
            f"An API address: http(s)://host/path without login and query, as in {DEFAULT_BASE_URL}",
        )
    return text


def _models(value: Any) -> list[str]:
    names = [n.strip() for n in value if isinstance(n, str)] if isinstance(value, Sequence) else []
    if isinstance(value, str) or not names or len(names) != len(value) or len(names) > 100:
        raise _Refused("Список моделей: от 1 до 100 названий", "A list of 1 to 100 model names")
    for name in names:
        if not 1 <= len(name) <= 100 or not name.isprintable():
            raise _Refused("Название модели: от 1 до 100 печатных знаков", "A model name has 1 to 100 characters")
        if name == _OWN_NAMES[0] or name.startswith(_OWN_NAMES[1]):
            raise _Refused(
                f"«{name}» занято движком этой машины: ключ ему не нужен",
                f"'{name}' names an engine of this machine, which needs no key",
            )
    return list(dict.fromkeys(names))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise _Refused("Целое число от 0 (0 — без ограничения)", "A whole number from 0 (0: no limit)")
    return value


def _priority(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10_000:
        raise _Refused("Целое число от 0 до 10000; меньшее берётся раньше", "0 to 10000; the lower is used first")
    return value


def _notes(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 2000 or "\0" in value:
        raise _Refused("Заметка: до 2000 знаков", "A note of up to 2000 characters")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Refused("true или false", "true or false")
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "token": _token,
    "base_url": _base_url,
    "model_access": _models,
    "daily_limit": _count,
    "monthly_limit": _count,
    "priority": _priority,
    "notes": _notes,
    "is_active": _flag,
}
