"""Passwords: Argon2id hashes, and which passwords are refused."""

from __future__ import annotations

import threading
from functools import cache
from importlib import resources

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from replyx.errors import ValidationFailed

#: Characters that a password has at least.
LEAST_CHARACTERS = 8

#: Bytes of UTF-8 that a password has at most.
MOST_BYTES = 128

#: 19 MiB, two passes, one lane: 20 to 60 ms here. Tests that are not about the cost put a quicker one in its place.
hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

#: A flood of logins must not take the memory or both cores from everything else.
_turn = threading.BoundedSemaphore(2)

#: A hash of a random word that nobody kept: unknown users cost as much time as known ones.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$qkU8uyMnhFJomsCgwIwvfw$F6K6IY/5+ZuMGEJc86mlRIH20d8eL74zTSV299ArHB8"


def hash_password(password: str) -> str:
    """The Argon2id hash of `password`, with its salt and cost inside. Takes tens of milliseconds."""
    with _turn:
        return hasher.hash(password)


def verify_password(stored_hash: str | None, password: str) -> bool:
    """Whether `password` is the one that was hashed; None (no such user) takes the same time and is False."""
    secret = password.encode("utf-8", "surrogatepass")
    known = stored_hash is not None and len(secret) <= MOST_BYTES
    with _turn:
        try:
            hasher.verify(stored_hash if known and stored_hash else _NOBODY, secret[:MOST_BYTES])
        except (Argon2Error, InvalidHashError):
            return False
    return known


def needs_rehash(stored_hash: str) -> bool:
    """Whether the hash was made at another cost than today's."""
    return hasher.check_needs_rehash(stored_hash)


def check_password(password: str, field: str = "password") -> None:
    """Refuse a password that is too short, too long or known to everyone.

    Raises:
        ValidationFailed: on `field`, with what to do.
    """
    if len(password) < LEAST_CHARACTERS:
        raise ValidationFailed.of(
            field, f"Нужно не менее {LEAST_CHARACTERS} символов", f"At least {LEAST_CHARACTERS} characters are needed"
        )
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise ValidationFailed.of(field, "Есть недопустимые символы", "Some characters are not allowed")
    if len(password.encode("utf-8")) > MOST_BYTES:
        raise ValidationFailed.of(field, f"Не длиннее {MOST_BYTES} байт", f"At most {MOST_BYTES} bytes")
    if password.casefold() in _common() or len(set(password)) == 1:
        raise ValidationFailed.of(
            field,
            "Этот пароль знают все. Придумайте другой, например из трёх-четырёх случайных слов",
            "Everyone knows this password. Choose another, such as three or four random words",
        )


@cache
def _common() -> frozenset[str]:
    text = resources.files("replyx.security").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.strip().casefold() for line in text.splitlines() if line.strip())
