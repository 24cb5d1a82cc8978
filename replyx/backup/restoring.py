"""Restoring a backup: the whole of it is checked first, then the database changes in one step or not at all."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from replyx.backup.archive import read_header, read_members, verify
from replyx.backup.making import Progress
from replyx.backup.secrets import fingerprint, unseal
from replyx.config.settings import Config
from replyx.errors import BackupUnusable, ReplyXError
from replyx.security.master_key import FILE_NAME, load_master_key
from replyx.storage.database import Database
from replyx.storage.portable import load_rows, loading
from replyx.storage.schema import MIGRATIONS, drop_everything, migrate, migrate_to
from replyx.types import Json

logger = logging.getLogger(__name__)

#: Where a replaced SQLite file, master key or settings file is kept until the next restore.
KEPT = "before-restore"


@dataclass(frozen=True)
class Restored:
    """What was brought back. `same_key`: the secrets in the database can be opened with the master key in force."""

    created_at: str
    rows: int
    files: int
    same_key: bool
    #: The settings of the backup, beside those in force; None where there were none.
    settings: Path | None


class Restore:
    """One backup that is to be brought back into one installation, which must not be running."""

    def __init__(
        self, path: Path, config: Config, progress: Progress | None = None, *, migrate_after: bool = True
    ) -> None:
        """Read and check all of `path`; nothing is changed yet.

        Without `migrate_after` the database keeps the schema of the backup: for the program that made it.

        Raises:
            BackupUnusable: it is damaged, cut short, or of a newer ReplyX. OSError: it cannot be read.
        """
        self._path, self._config, self._progress, self._migrate_after = path, config, progress, migrate_after
        self.header: Json = read_header(path)
        self._last = _newest_migration(self.header)
        self._rows: dict[str, int] = verify(path)["rows"]

    def run(self, passphrase: str | None = None) -> Restored:
        """Bring it back: files, then the database in one step, then secrets and settings where they were asked for.

        Raises:
            BackupUnusable: the passphrase does not fit, or there are no secrets inside. OSError: the disk refuses.
        """
        secrets = self._secrets(passphrase) if passphrase is not None else {}
        files = self._restore_uploads()
        self._restore_database()
        if secrets:
            self._restore_key(secrets["secret_key"])
        settings = self._restore_settings(secrets.get("replyx.toml"))
        return Restored(
            created_at=self.header["created_at"],
            rows=sum(self._rows.values()),
            files=files,
            same_key=fingerprint(load_master_key(self._config)) == self.header["master_key"],
            settings=settings,
        )

    def _secrets(self, passphrase: str) -> dict[str, str]:
        sealed = next((content.read() for name, content in read_members(self._path) if name == "secrets.bin"), None)
        if sealed is None:
            raise BackupUnusable(
                f"{self._path}: секретов в копии нет. Восстановите без пароля.",
                f"{self._path}: it holds no secrets. Restore without a passphrase.",
            )
        return unseal(sealed, passphrase)

    def _restore_uploads(self) -> int:
        """Added beside what is there: names are random, and files that no row knows are deleted by upkeep."""
        folder = self._config.data_dir / "uploads"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        count = 0
        for name, content in read_members(self._path):
            if name.startswith("uploads/"):
                _write(folder / Path(name).name, content)
                count += 1
        return count

    def _restore_database(self) -> None:
        url = self._config.database_url
        if url.startswith("sqlite:"):
            file = Path(url.removeprefix("sqlite:///"))
            fresh = file.with_name(f"{file.name}.restoring")
            _remove_sqlite(fresh)
            with _opened(self._config, f"sqlite:///{fresh}") as database:
                self._fill(database)
                if self._migrate_after:
                    migrate(database)
            _swap_sqlite(fresh, file)
            return
        with _opened(self._config, url) as database:
            # PostgreSQL undoes a half-made schema with the transaction.
            with database.transaction():
                drop_everything(database, self._rows)
                self._fill(database)
            if self._migrate_after:
                migrate(database)

    def _fill(self, database: Database) -> None:
        """The backup's schema, then its rows."""
        found = dict.fromkeys(self._rows, 0)
        with database.connection():
            migrate_to(database, self._last)
            try:
                with database.transaction(), loading(database):
                    self._load(database, found)
            except (ValueError, KeyError) as error:
                raise self._foreign() from error
        if found != self._rows:
            raise self._foreign()

    def _load(self, database: Database, found: dict[str, int]) -> None:
        done, total = 0, max(1, sum(self._rows.values()))
        for table, columns, rows in self._members():
            loaded = load_rows(database, table, columns, rows)
            found[table] += loaded
            done += loaded
            if self._progress is not None:
                self._progress(done, total)

    def _foreign(self) -> BackupUnusable:
        return BackupUnusable(
            f"{self._path}: строки не те, что в её описании. Возьмите другую копию.",
            f"{self._path}: the rows are not those it tells of. Take another backup.",
        )

    def _members(self) -> Iterator[tuple[str, list[str], Iterator[list[Any]]]]:
        for name, content in read_members(self._path):
            if name.startswith("tables/"):
                yield name.split("/")[1], json.loads(content.readline()), map(json.loads, content)

    def _restore_key(self, text: str) -> None:
        if self._config.security.secret_key:
            # It comes from the settings, and those are the administrator's to change.
            return
        path = self._config.data_dir / FILE_NAME
        if path.exists() and path.read_text(encoding="utf-8").strip() != text:
            path.replace(path.with_name(f"{FILE_NAME}.{KEPT}"))
        _write(path, io.BytesIO(f"{text}\n".encode()))

    def _restore_settings(self, with_secrets: str | None) -> Path | None:
        content = with_secrets.encode("utf-8") if with_secrets else None
        for name, member in read_members(self._path) if content is None else ():
            if name == "config/replyx.toml":
                content = member.read()
        if content is None:
            return None
        path = self._config.data_dir / "replyx.toml.restored"
        _write(path, io.BytesIO(content))
        return path


def _newest_migration(header: Json) -> str:
    known = {path.stem for path in MIGRATIONS.glob("[0-9]*.py")}
    schema: list[str] = header["schema"]
    if not schema or not known.issuperset(schema):
        raise BackupUnusable(
            "Копию сделал более новый ReplyX. Обновите: pip install --upgrade replyx",
            "The backup was made by a newer ReplyX. Run: pip install --upgrade replyx",
        )
    return schema[-1]


@contextmanager
def _opened(config: Config, url: str) -> Iterator[Database]:
    database = Database(url, pool=2, timeout=config.database.timeout)
    try:
        yield database
    finally:
        database.close()


def _remove_sqlite(file: Path) -> None:
    for end in ("", "-wal", "-shm"):
        file.with_name(f"{file.name}{end}").unlink(missing_ok=True)


def _swap_sqlite(fresh: Path, file: Path) -> None:
    """Put `fresh` in the place of `file`, which is kept beside it; at no moment there is none."""
    if file.exists():
        _end_wal(file)
        kept = file.with_name(f"{file.name}.{KEPT}")
        _remove_sqlite(kept)
        os.link(file, kept)
        # A log that could not be ended would be taken for the new file's.
        for end in ("-wal", "-shm"):
            file.with_name(f"{file.name}{end}").unlink(missing_ok=True)
    fresh.replace(file)
    handle = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _end_wal(file: Path) -> None:
    """Bring what is in the write-ahead log into the file itself; the last connection deletes the log as it closes."""
    database = Database(f"sqlite:///{file}", pool=1, timeout=1.0)
    try:
        with database.connection():
            database.native.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    except ReplyXError:
        logger.warning("the replaced database is damaged; it is kept as far as it goes", extra={"file": str(file)})
    finally:
        database.close()


def _write(path: Path, content: IO[bytes]) -> None:
    draft = path.with_name(f".{path.name}.part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(content, file, 1024 * 1024)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
