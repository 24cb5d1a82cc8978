"""E-mail addresses as account names."""

from __future__ import annotations

import pytest

from replyx.accounts.emails import account_email
from replyx.errors import ValidationFailed


def test_addresses_that_differ_in_case_are_the_same() -> None:
    assert account_email(" Anna.Petrova+Test@Example.COM ") == "anna.petrova+test@example.com"
    assert account_email("Анна@Пример.РФ") == "анна@пример.рф"
    assert account_email("o'brien@example.com") == "o'brien@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "@", "a@b", "a@b.", "a@.b", "a@b..c", "@b.c", "a@b@c.d", "a b@c.d", "a@b c.d", "a@b.c\n\nd",
        "a\x00@b.c", "a\u200b@b.c", "a\ud800@b.c", "a" * 251 + "@b.c", None, 5, True, ["a@b.c"], {"$ne": ""},
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: object) -> None:
    with pytest.raises(ValidationFailed) as refused:
        account_email(text)
    assert refused.value.details == {"field": "email", "issue": "Неверный формат email"}
