"""Secrets at rest: sealed for the database, masked for people."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from replyx.errors import ConfigError
from replyx.security.master_key import derive_key

#: What stands for the hidden middle of a secret. No real token or key has it.
_HIDDEN = "…"

#: Secrets shorter than this are hidden whole: their ends would be most of them.
_LEAST_SHOWN = 16


class SecretBox:
    """Seals secrets with a key derived from the master key; safe to use from any thread."""

    def __init__(
        self, master_key: bytes, *earlier_keys: bytes, refresh: Callable[[], tuple[bytes, ...]] | None = None
    ) -> None:
        """`earlier_keys` are master keys that were replaced: what they sealed can still be opened.

        `refresh` reads the keys anew: a process that runs while the key is replaced meets secrets of the new one.
        """
        self._keys = (master_key, *earlier_keys)
        self._fernet = _ring(self._keys)
        self._refresh = refresh

    def seal(self, plain: str) -> str:
        """`plain` as text that only this key opens; sealed twice it looks different."""
        return self._fernet.encrypt(plain.encode("utf-8")).decode("ascii")

    def open(self, sealed: str) -> str:
        """What was sealed.

        Raises:
            ConfigError: it was sealed under another master key, or it was changed.
        """
        try:
            return self._open(sealed)
        except InvalidToken as error:
            if self._has_new_keys():
                with suppress(InvalidToken):
                    return self._open(sealed)
            raise ConfigError(
                "Секрет из базы не открыть: главный ключ не тот, которым он запечатан. Верните прежний secret.key "
                "или security.secret_key либо введите секрет заново.",
                "A stored secret cannot be opened: it was sealed under another master key. Bring back the earlier "
                "secret.key or security.secret_key, or enter the secret again.",
            ) from error

    def _open(self, sealed: str) -> str:
        return self._fernet.decrypt(sealed.encode("utf-8")).decode("utf-8")

    def _has_new_keys(self) -> bool:
        keys = self._refresh() if self._refresh is not None else self._keys
        if keys == self._keys:
            return False
        self._fernet, self._keys = _ring(keys), keys
        return True


def mask(secret: str) -> str:
    """The form that people see: `sk-…a1b2`, a Telegram token as `123456…wXyZ`. Short secrets are hidden whole."""
    if len(secret) < _LEAST_SHOWN:
        return _HIDDEN
    shown = re.match(r"[0-9]{6}(?=[0-9]*:)|[A-Za-z]{2,3}-", secret)
    return f"{shown.group() if shown else secret[:3]}{_HIDDEN}{secret[-4:]}"


def is_masked(text: str) -> bool:
    """Whether `text` is a masked secret that somebody sends back, not a secret."""
    return _HIDDEN in text


def _ring(keys: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([_fernet(key) for key in keys])


def _fernet(master_key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derive_key(master_key, "secretbox")))
