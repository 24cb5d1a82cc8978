"""Secrets at rest: sealed, opened by their key only, and masked for people."""

from __future__ import annotations

import pytest

from replyx.errors import ConfigError
from replyx.security.secretbox import SecretBox, is_masked, mask

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def test_a_secret_comes_back_and_never_looks_the_same() -> None:
    box = SecretBox(KEY)
    sealed = box.seal("sk-тайна")

    assert box.open(sealed) == "sk-тайна"
    assert "тайна" not in sealed
    assert box.seal("sk-тайна") != sealed


def test_another_key_opens_nothing_and_says_what_to_do() -> None:
    sealed = SecretBox(KEY).seal("secret")

    for box, text in ((SecretBox(OTHER), sealed), (SecretBox(KEY), sealed[:-8]), (SecretBox(KEY), "secret")):
        with pytest.raises(ConfigError) as refused:
            box.open(text)
        assert "secret.key" in refused.value.message_en


def test_a_replaced_key_still_opens_what_it_sealed() -> None:
    sealed = SecretBox(OTHER).seal("secret")
    box = SecretBox(KEY, OTHER)

    assert box.open(sealed) == "secret"
    assert SecretBox(KEY).open(box.seal("new")) == "new"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("sk-proj-abcdefghijklmnopa1b2", "sk-…a1b2"),
        ("1234567890:AAEhBOweik6ad9r_QXMENQjcrGbqCr4wXyZ", "123456…wXyZ"),
        ("gsk_abcdefghijklmnopqrst", "gsk…qrst"),
        ("fifteen-letters", "…"),
        ("", "…"),
    ],
)
def test_a_mask_shows_the_ends_of_a_long_secret_only(secret: str, shown: str) -> None:
    assert mask(secret) == shown
    assert is_masked(shown)
    assert not is_masked(secret)
