"""Text that people send: refused where a database or a screen could not hold it."""

from __future__ import annotations

import unicodedata

from replyx.errors import ValidationFailed

#: Categories of characters that no text may have: control characters and halves of a surrogate pair.
_REFUSED = ("Cc", "Cs")


def one_line(value: object, field: str, *, most: int, least: int = 0) -> str:
    """`value` without blanks at its ends: one line of `least` to `most` characters.

    Raises:
        ValidationFailed: on `field`: no text, too short or long, or with control characters.
    """
    return _checked(value, field, least, most, allowed="")


def many_lines(value: object, field: str, *, most: int, least: int = 0) -> str:
    """Like `one_line`, but with line breaks and tabs."""
    return _checked(value, field, least, most, allowed="\n\r\t")


def _checked(value: object, field: str, least: int, most: int, allowed: str) -> str:
    if not isinstance(value, str):
        raise ValidationFailed.of(field, "Нужна строка", "A string is needed")
    text = value.strip()
    if len(text) < least:
        if least == 1:
            raise ValidationFailed.of(field, "Не может быть пустым", "Must not be empty")
        raise ValidationFailed.of(field, f"Не короче {least} символов", f"At least {least} characters")
    if len(text) > most:
        raise ValidationFailed.of(field, f"Не длиннее {most} символов", f"At most {most} characters")
    if any(unicodedata.category(c) in _REFUSED and c not in allowed for c in text):
        raise ValidationFailed.of(field, "Есть управляющие символы: уберите их", "Control characters are not allowed")
    return text
