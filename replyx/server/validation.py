"""What pydantic found wrong, in sentences for people: one catalogue, by the type of the finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from replyx.errors import FieldIssue, ValidationFailed

#: Findings that one answer lists at most.
_MOST = 20

_STRING = ("Нужна строка", "A string is needed")
_INTEGER = ("Нужно целое число", "An integer is needed")
_NUMBER = ("Нужно число", "A number is needed")
_LOGICAL = ("Нужно true или false", "true or false is needed")
_LIST = ("Нужен список", "A list is needed")
_OBJECT = ("Нужен JSON-объект", "A JSON object is needed")
_SIZE = ("Слишком большое число", "The number is too large")
_CHARACTERS = ("Есть недопустимые символы", "Some characters are not allowed")

#: Type of a finding → what is said of it, Russian and English, with the finding's own figures.
SENTENCES: Mapping[str, tuple[str, str]] = {
    "missing": ("Обязательное поле", "This field is required"),
    "extra_forbidden": ("Неизвестное поле", "Unknown field"),
    "duplicate_key": ("Поле указано дважды", "The field is given twice"),
    "string_type": _STRING,
    "string_unicode": _CHARACTERS,
    "string_pattern_mismatch": _CHARACTERS,
    "string_too_short": ("Не короче {min_length} симв.", "At least {min_length} characters"),
    "string_too_long": ("Не длиннее {max_length} симв.", "At most {max_length} characters"),
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_from_float": _INTEGER,
    "int_parsing_size": _SIZE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _LOGICAL,
    "bool_parsing": _LOGICAL,
    "list_type": _LIST,
    "too_long": ("Не больше {max_length} элементов", "At most {max_length} items"),
    "too_short": ("Не меньше {min_length} элементов", "At least {min_length} items"),
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "literal_error": ("Допустимо: {expected}", "Allowed: {expected}"),
    "enum": ("Допустимо: {expected}", "Allowed: {expected}"),
    "greater_than_equal": ("Не меньше {ge}", "At least {ge}"),
    "greater_than": ("Больше {gt}", "More than {gt}"),
    "less_than_equal": ("Не больше {le}", "At most {le}"),
    "less_than": ("Меньше {lt}", "Less than {lt}"),
}

_OTHER = ("Недопустимое значение", "This value is not allowed")


def issue_of(kind: str, field: str, figures: Mapping[str, Any] | None = None) -> FieldIssue:
    """The finding `kind` about `field`; `figures` fill its sentence."""
    ru, en = SENTENCES.get(kind, _OTHER)
    shown = dict(figures or {})
    if "expected" in shown:
        # pydantic joins choices with an English "or".
        shown["expected"] = str(shown["expected"]).replace(" or ", ", ")
    return FieldIssue(field, ru.format(**shown), en.format(**shown))


def refused(error: ValidationError, prefix: str = "") -> ValidationFailed:
    """The error that tells of pydantic's findings; `prefix` stands before each field's path."""
    rows = [
        issue_of(row["type"], prefix + ".".join(str(part) for part in row["loc"]), row.get("ctx"))
        for row in error.errors(include_url=False, include_input=False)[:_MOST]
    ]
    return ValidationFailed(rows)
