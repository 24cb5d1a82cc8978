"""Where backups are kept: a folder, or a bucket of an S3-compatible store."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from replyx.config.settings import Config
from replyx.errors import BackupStoreFailed, ConfigError

#: Bytes of one part of an upload: an interrupted one begins anew with it.
_PART = 16 * 1024 * 1024

SCHEME = "s3://"


@dataclass(frozen=True)
class Kept:
    """One backup, by its name's time. `where` is its path or URL."""

    name: str
    where: str
    created_at: datetime
    bytes: int


class Store(Protocol):
    """A place with backups by name."""

    @property
    def is_remote(self) -> bool:
        """Whether a backup is made elsewhere first, and then put here."""

    def list(self) -> list[Kept]:
        """The backups that ReplyX made, newest first. Raises BackupStoreFailed."""

    def put(self, file: Path) -> str:
        """Keep `file` under its name; answers where. Raises BackupStoreFailed."""

    def fetch(self, name: str, to: Path) -> None:
        """Write the backup of that name to `to`. Raises BackupStoreFailed."""

    def delete(self, name: str) -> None:
        """Forget it; nothing where it is gone already. Raises BackupStoreFailed."""


def local_folder(config: Config) -> Path:
    """Where backups are made: `backup.folder`, or in the data directory."""
    folder = config.backup.folder
    is_path = folder and not folder.startswith(SCHEME)
    return Path(folder).expanduser().resolve() if is_path else config.data_dir / "backups"


def store_of(config: Config) -> Store:
    """What `backup.folder` names."""
    if config.backup.folder.startswith(SCHEME):
        return BucketStore(config.backup.folder, config)
    return FolderStore(local_folder(config))


class FolderStore:
    """A folder of this machine."""

    is_remote = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> list[Kept]:
        found = [_kept_file(path) for path in self._folder.glob("replyx-*.backup")] if self._folder.is_dir() else []
        return sorted((kept for kept in found if kept is not None), key=lambda kept: kept.created_at, reverse=True)

    def put(self, file: Path) -> str:
        if file.parent != self._folder:
            shutil.copy(file, self._folder / file.name)
        return str(self._folder / file.name)

    def fetch(self, name: str, to: Path) -> None:
        shutil.copy(self._folder / name, to)

    def delete(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class BucketStore:
    """`s3://BUCKET/PREFIX` of Amazon or of whoever speaks its protocol."""

    is_remote = True

    def __init__(self, url: str, config: Config) -> None:
        """Nothing is asked yet.

        Raises:
            ConfigError: the URL names no bucket, or the library is not installed.
        """
        parts = urlsplit(url)
        if not parts.netloc:
            raise ConfigError("backup.folder: нужно s3://БАКЕТ/ПРЕФИКС", "backup.folder must be s3://BUCKET/PREFIX")
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise ConfigError(
                'Для S3 нужна библиотека: pip install "replyx[s3]"', 'S3 needs a library: pip install "replyx[s3]"'
            ) from error
        settings = config.backup
        options: dict[str, Any] = {
            "endpoint": settings.endpoint,
            "access_key_id": settings.access_key,
            "secret_access_key": settings.secret_key,
            "region": settings.region,
        }
        self._url = url.rstrip("/")
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={"allow_http": settings.endpoint.startswith("http://"), "timeout": "300s"},
            retry_config={"max_retries": 3},
            **{name: value for name, value in options.items() if value},
        )

    def list(self) -> list[Kept]:
        import obstore

        with _told(self._url):
            found = [
                _kept(row["path"].rsplit("/", 1)[-1], self._url, row["size"])
                for rows in obstore.list(self._store)
                for row in rows
            ]
        return sorted((kept for kept in found if kept is not None), key=lambda kept: kept.created_at, reverse=True)

    def put(self, file: Path) -> str:
        import obstore

        with _told(self._url):
            # In parts, each with its checksum; the object is there when all of them are.
            obstore.put(self._store, file.name, file, chunk_size=_PART)
        return f"{self._url}/{file.name}"

    def fetch(self, name: str, to: Path) -> None:
        import obstore

        with _told(f"{self._url}/{name}"), to.open("wb") as file:
            for piece in obstore.get(self._store, name).stream(min_chunk_size=_PART):
                file.write(piece)

    def delete(self, name: str) -> None:
        import obstore

        with _told(f"{self._url}/{name}"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, name)


@contextlib.contextmanager
def fetched(which: str, config: Config) -> Iterator[Path]:
    """The backup at a path or at `s3://…/NAME`, as a file for the length of the block.

    Raises:
        BackupStoreFailed: it could not be fetched. ConfigError: as `BucketStore`.
    """
    if not which.startswith(SCHEME):
        yield Path(which)
        return
    place, _, name = which.rpartition("/")
    folder = config.data_dir / "backups"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f".fetched-{name}"
    try:
        BucketStore(place, config).fetch(name, file)
        yield file
    finally:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """The library's errors become ours: its first line says enough, and holds no key."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError, PermissionError, ValueError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise BackupStoreFailed(
            f"{what}: хранилище отказало: {why}. Проверьте backup.endpoint, ключи и бакет: replyx doctor",
            f"{what}: the store refused: {why}. Check backup.endpoint, the keys and the bucket: replyx doctor",
        ) from error


def _kept(name: str, place: str, size: int) -> Kept | None:
    try:
        moment = datetime.strptime(name, "replyx-%Y%m%d-%H%M%S.backup").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Kept(name, f"{place}/{name}", moment, size)


def _kept_file(path: Path) -> Kept | None:
    try:
        return _kept(path.name, str(path.parent), path.stat().st_size)
    except FileNotFoundError:
        return None
