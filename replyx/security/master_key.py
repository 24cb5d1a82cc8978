"""The master key: where it comes from, and the separate keys that are derived from it."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from replyx.config.settings import Config
from replyx.errors import ConfigError

logger = logging.getLogger(__name__)

#: The file in the data directory that keeps a key which was made at the first start.
FILE_NAME = "secret.key"

#: Bytes that a key must have at least.
_LEAST = 32

#: Words of keys that were copied from an example.
_EXAMPLES = ("changeme", "change-me", "change_me", "example", "default", "placeholder", "insecure", "your-secret")


def load_master_key(config: Config) -> bytes:
    """The key that all others are derived from: `security.secret_key`, else the data directory's own.

    The first start without a setting makes 32 random bytes and keeps them in `secret.key`, readable by its owner only.

    Raises:
        ConfigError: the key is shorter than 32 bytes or looks like an example, or its file cannot be used.
    """
    if config.security.secret_key:
        return _checked(config.security.secret_key, "security.secret_key")
    path = config.data_dir / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="utf-8").strip()
        if path.stat().st_mode & 0o077:
            logger.warning("others can read the master key; run chmod 600", extra={"path": str(path)})
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Главный ключ {path} не прочитать или не создать: {error}. Проверьте права на каталог данных.",
            f"The master key {path} cannot be read or made: {error}. Check the rights of the data directory.",
        ) from error
    return _checked(text, str(path))


def derive_key(master_key: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose; keys of different purposes say nothing of each other or of the master key."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"replyx " + purpose.encode()).derive(master_key)


def _checked(text: str, where: str) -> bytes:
    key = _decoded(text)
    looks_made_up = len(set(key)) < 10 or any(word in text.lower() for word in _EXAMPLES)
    if len(key) < _LEAST or looks_made_up:
        raise ConfigError(
            f"{where}: ключ короче {_LEAST} байт или похож на пример. Создайте новый: openssl rand -hex 32",
            f"{where}: the key is shorter than {_LEAST} bytes or looks like an example. Make one: openssl rand -hex 32",
        )
    return key


def _decoded(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode("utf-8")


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(_LEAST) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the file exists: of several processes that start at once one wins, the others read its key.
        try:
            os.link(draft, path)
        except FileExistsError:
            logger.info("another process made the master key first")
    finally:
        draft.unlink()
