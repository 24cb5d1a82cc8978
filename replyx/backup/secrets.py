"""The secrets of an installation under a passphrase: the master key and the whole of replyx.toml.

scrypt (RFC 7914) makes the key of the passphrase, AES-256-GCM seals and proves the content.
"""

from __future__ import annotations

import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from replyx.errors import BackupUnusable
from replyx.security.master_key import derive_key

_SALT, _NONCE = 16, 12
#: About a tenth of a second and 32 MiB for each guess.
_COST = 2**15


def fingerprint(master_key: bytes) -> str:
    """Says whether two master keys are the same one, and nothing else about them."""
    return derive_key(master_key, "backup fingerprint").hex()[:16]


def seal(values: dict[str, str], passphrase: str) -> bytes:
    """`values` as bytes that only the passphrase opens."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    return salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, json.dumps(values).encode(), None)


def unseal(sealed: bytes, passphrase: str) -> dict[str, str]:
    """What was sealed.

    Raises:
        BackupUnusable: the passphrase is another one.
    """
    salt, nonce, rest = sealed[:_SALT], sealed[_SALT : _SALT + _NONCE], sealed[_SALT + _NONCE :]
    try:
        values: dict[str, str] = json.loads(AESGCM(_key(passphrase, salt)).decrypt(nonce, rest, None))
    except (InvalidTag, ValueError) as error:
        raise BackupUnusable(
            "Пароль копии не подходит. Введите другой.", "The passphrase does not open the backup. Give another one."
        ) from error
    return values


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase.encode("utf-8"))
