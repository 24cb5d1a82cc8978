"""E-mail addresses as account names: their form, and when two are the same."""

from __future__ import annotations

import re
import unicodedata

from replyx.errors import ValidationFailed

#: Characters that the standards allow at most.
MOST_CHARACTERS = 254

#: One `@`; labels with dots after it; what else is right only a letter that arrives can tell.
_FORM = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")


#: Before the `@`, what no mail program reads as a name, a comment or a second address: `a<me@b.c>` goes to `me@b.c`.
_PLAIN = re.compile(r"""[^\s"(),:;<>@\[\\\]]+@[^\s"(),:;<>@\[\\\]]+""")


def require_plain(email: str, field: str = "email") -> None:
    """Let pass what a letter can be sent to, and to nobody else.

    Raises:
        ValidationFailed: it can be read as another address.
    """
    if not _PLAIN.fullmatch(email):
        raise ValidationFailed.of(field, "На такой адрес письмо не отправить", "No letter can be sent to this address")


def account_email(text: object, field: str = "email") -> str:
    """The address in the form under which it is kept: two that differ only in case are the same.

    Raises:
        ValidationFailed: it has not the form of an address.
    """
    email = unicodedata.normalize("NFC", text.strip()).lower() if isinstance(text, str) else ""
    refused = any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zs") for character in email)
    if len(email) > MOST_CHARACTERS or refused or not _FORM.fullmatch(email):
        raise ValidationFailed.of(field, "Неверный формат email", "Not an e-mail address")
    return email
