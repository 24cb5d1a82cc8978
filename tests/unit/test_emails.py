"""E-mail addresses as account names."""

from __future__ import annotations

import pytest

from replyx.accounts.emails import account_email, require_plain
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


@pytest.mark.parametrize("email", ["anna@example.com", "o'brien+shop@пример.рф"])
def test_a_letter_may_go_to_a_plain_address(email: str) -> None:
    require_plain(email)


@pytest.mark.parametrize(
    "email",
    ["a<me@b.c>", "a@b.c,me@d.e", "a@b.c;me@d.e", "(me)a@b.c", '"a"@b.c', "a:me@b.c", "a\\@b.c", "a@[b.c]"],
)
def test_no_letter_goes_to_what_can_be_read_as_another_address(email: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        require_plain(email, "support_email")
    assert refused.value.details["field"] == "support_email"
