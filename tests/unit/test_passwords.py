"""Passwords: what is refused, and that a hash answers the same for everyone."""

from __future__ import annotations

import threading
import time
from importlib import resources
from statistics import median

import pytest

from replyx.errors import ValidationFailed
from replyx.security.passwords import check_password, hash_password, needs_rehash, verify_password

pytestmark = pytest.mark.real_hashes


def test_a_password_is_known_by_its_hash_only() -> None:
    stored = hash_password("слон верблюд 42")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "слон" not in stored
    assert stored != hash_password("слон верблюд 42")
    assert verify_password(stored, "слон верблюд 42")
    assert not verify_password(stored, "слон верблюд 43")
    assert not verify_password(stored, "слон верблюд 42 ")
    assert not verify_password(stored, "")
    assert not needs_rehash(stored)
    assert needs_rehash(stored.replace("t=2", "t=1"))


@pytest.mark.parametrize("password", ["x" * 10_000, "\ud800bad", "a\x00b", "😀" * 16])
def test_odd_passwords_are_wrong_and_no_error(password: str) -> None:
    assert not verify_password(hash_password("correct horse"), password)
    assert not verify_password(None, password)


def test_a_long_password_is_not_taken_for_its_beginning() -> None:
    assert not verify_password(hash_password("x" * 128), "x" * 129)


def test_a_broken_hash_opens_nothing() -> None:
    for stored in ("", "*", "$argon2id$", "correct horse"):
        assert not verify_password(stored, "correct horse")


def test_nobody_costs_as_much_time_as_somebody() -> None:
    stored = hash_password("correct horse")

    def seconds(of: str | None) -> float:
        # Of this thread's work, not of the clock: others may have the cores.
        begin = time.thread_time()
        assert not verify_password(of, "wrong horse")
        return time.thread_time() - begin

    pairs = [(seconds(stored), seconds(None)) for _ in range(15)]
    known, unknown = median(p[0] for p in pairs), median(p[1] for p in pairs)
    assert 0.5 < known / unknown < 2


def test_many_hashes_at_once_all_come() -> None:
    found: list[bool] = []
    stored = hash_password("correct horse")
    threads = [
        threading.Thread(target=lambda: found.append(verify_password(stored, "correct horse"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [True] * 8


@pytest.mark.parametrize(
    "password",
    [
        "", "1234567", "password", "Password123", "QWERTYUIOP", "йцукен123", "пароль123", "Пароль123", "ПАРОЛЬПАРОЛЬ",
        "iloveyou", "1q2w3e4r5t", "gfhjkm123", "aaaaaaaaaaaaaaaa", "я" * 65, "x" * 129, "абвгдежз" * 8 + "!",
        "\ud800 is half a character",
    ],
)  # fmt: skip
def test_a_weak_or_impossible_password_is_refused(password: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        check_password(password, "new_password")
    assert refused.value.details["field"] == "new_password"


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "слонверблюд", "x7#kk2!q", " b l a n k s ", "😀😃😄😁😆😅🤣😂", "я" * 63 + "ю"],
)
def test_a_good_password_is_taken_as_it_is(password: str) -> None:
    check_password(password)
    assert verify_password(hash_password(password), password)


def test_the_bundled_list_is_long_plain_and_without_twins() -> None:
    text = resources.files("replyx.security").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    words = text.splitlines()
    assert len([word for word in words if len(word) >= 8]) >= 1000
    assert len(set(words)) == len(words)
    assert all(word == word.strip().lower() and word for word in words)
