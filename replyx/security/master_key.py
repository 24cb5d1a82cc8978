"""The master key: where it comes from, and the separate keys that are derived from it."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
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
    return load_master_keys(config)[0]


def load_master_keys(config: Config) -> tuple[bytes, ...]:
    """The master key, and after it those that it replaced: one a line, the newest first.

    Raises:
        ConfigError: as `load_master_key`.
    """
    if config.security.secret_key:
        return _lines(config.security.secret_key, "security.secret_key")
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
    return _lines(text, str(path))


def add_master_key(config: Config) -> tuple[bytes, ...]:
    """Put a new key before those of the data directory's file; returns all of them.

    Raises:
        ConfigError: the key comes from the settings, or its file cannot be written.
    """
    load_master_keys(config)
    return _rewrite(config, lambda earlier: [secrets.token_hex(_LEAST), *earlier])


def forget_earlier_keys(config: Config) -> tuple[bytes, ...]:
    """Leave only the newest key in the data directory's file; returns it.

    Raises:
        ConfigError: as `add_master_key`.
    """
    return _rewrite(config, lambda keys: keys[:1])


def _rewrite(config: Config, change: Callable[[list[str]], list[str]]) -> tuple[bytes, ...]:
    if config.security.secret_key:
        raise ConfigError(
            "Главный ключ задан в настройках: меняйте его там. В файле для security.secret_key_file новый ключ пишут "
            "строкой выше прежнего.",
            "The master key comes from the settings: change it there. In the file of security.secret_key_file the new "
            "key stands on a line above the earlier one.",
        )
    path = config.data_dir / FILE_NAME
    try:
        _draft(path, change(path.read_text(encoding="utf-8").split())).replace(path)
    except OSError as error:
        raise ConfigError(
            f"Главный ключ {path} не записать: {error.strerror}", f"{path} cannot be written: {error.strerror}"
        ) from error
    return load_master_keys(config)


def derive_key(master_key: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose; keys of different purposes say nothing of each other or of the master key."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"replyx " + purpose.encode()).derive(master_key)


def _lines(text: str, where: str) -> tuple[bytes, ...]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(_checked(line, where) for line in lines or [""])


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
    draft = _draft(path, [secrets.token_hex(_LEAST)])
    # A link fails where the file exists: of several processes that start at once one wins, the others read its key.
    try:
        os.link(draft, path)
    except FileExistsError:
        logger.info("another process made the master key first")
    finally:
        draft.unlink()


def _draft(path: Path, keys: list[str]) -> Path:
    """A whole file of keys beside `path`, on the disk, readable by its owner only."""
    draft = path.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(keys) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink()
        raise
    return draft
