"""An upgrade of an installation: stop, back up, migrate, start; and all of it back where that fails.

pip has put the new program in place already. What is written down before each step lets the next call go on after a
power cut: migrating is one transaction with its check, so the database is of the old schema or of the new one, and
never between them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from replyx import __version__
from replyx.backup.making import make_backup
from replyx.backup.restoring import Restore
from replyx.backup.stores import local_folder
from replyx.backup.upgrade_lock import holding
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import AlreadyRunning, ReplyXError, UpgradeFailed
from replyx.storage.database import Database
from replyx.storage.schema import migrate_at_once, schema_status
from replyx.storage.totals import marks, size, totals
from replyx.tasks.beats import SILENCE_SECONDS, Beats, BeatView

logger = logging.getLogger(__name__)

#: In the data directory: what an upgrade has done so far.
STATE = "upgrade.json"

#: The migration that made the table of running processes.
_BEATS_SINCE = "0007_processes"

#: Backups of earlier upgrades that are kept.
_KEEP = 3

#: Told of each step once it is written down: `stop`, `backup`, `migrate`, `start`, `back`.
Told = Callable[[str], None]


class Units(Protocol):
    """What runs ReplyX on this machine, such as systemd."""

    def running(self) -> list[str]:
        """Names of the units that run now."""

    def stop(self, names: list[str]) -> None:
        """End them, and wait for it."""

    def start(self, names: list[str]) -> list[str]:
        """Start them and wait until they work; answers those that do not."""


@dataclass(frozen=True)
class Plan:
    """What an upgrade would do."""

    program: str
    #: Versions of the processes that run, without this program's own.
    older: list[str]
    pending: list[str]
    units: list[str]
    backup: Path
    database_bytes: int
    #: The step at which an earlier upgrade was broken off; empty where none was.
    unfinished: str

    @property
    def is_needed(self) -> bool:
        return bool(self.pending or self.older or self.unfinished)


@dataclass(frozen=True)
class Upgraded:
    """What was done. `backup` is None where the schema did not change."""

    applied: list[str]
    units: list[str]
    backup: str | None
    resumed: bool


@dataclass
class _State:
    """What is written down before each step."""

    step: str = ""
    units: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)
    backup: str | None = None
    applied: list[str] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class Upgrade:
    """One upgrade of one installation; a second one waits outside."""

    def __init__(self, config: Config, units: Units, clock: Clock, told: Told = lambda _step: None) -> None:
        self._config, self._units, self._clock, self._told = config, units, clock, told
        self._file = config.data_dir / STATE
        self._state = self._read()

    def plan(self) -> Plan:
        """What `run` would do now; nothing is changed."""
        with self._database() as db, db.connection():
            status, alive, bytes_ = schema_status(db), _alive(db, self._clock), size(db)
        return Plan(
            program=__version__,
            older=self._state.older or _older(alive),
            pending=list(status.pending),
            units=self._state.units or self._units.running(),
            backup=self._place(),
            database_bytes=bytes_,
            unfinished=self._state.step,
        )

    def run(self) -> Upgraded:
        """Upgrade, or go on with what was broken off.

        Raises:
            UpgradeFailed: it did not work; the message says in what state everything is.
            AlreadyRunning: processes run that systemd does not know, or another upgrade is under way.
        """
        resumed = bool(self._state.step)
        with holding(self._config):
            if self._state.step == "back":
                raise self._put_back(self._state.failed or self._state.units)
            if self._state.step in ("", "stop"):
                self._stop()
                self._back_up()
            if self._state.step != "start":
                self._migrate()
        # Units that were called meanwhile wait for the lock.
        self._start()
        return Upgraded(self._state.applied, self._state.units, self._state.backup, resumed)

    def _stop(self) -> None:
        with self._database() as db:
            alive = _alive(db, self._clock)
        units = sorted({*self._state.units, *self._units.running()})
        self._note("stop", units=units, older=self._state.older or _older(alive))
        self._units.stop(self._state.units)
        if names := self._who_still_runs():
            self._units.start(self._state.units)
            self._forget()
            raise AlreadyRunning(
                f"ReplyX работает и вне systemd ({names}). Остановите его и повторите: replyx upgrade",
                f"ReplyX also runs outside systemd ({names}). Stop it, then again: replyx upgrade",
            )

    def _who_still_runs(self) -> str:
        """Processes that beat on; one that was killed is silent for a while before it counts as dead."""
        deadline = time.monotonic() + SILENCE_SECONDS + 1
        while True:
            with self._database() as db:
                names = ", ".join(beat.name for beat in _alive(db, self._clock))
            if not names or time.monotonic() > deadline:
                return names
            time.sleep(0.2)

    def _back_up(self) -> None:
        self._told("backup")
        with self._database() as db:
            if schema_status(db).pending:
                path = self._place()
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                make_backup(db, self._config, path, now=self._clock.now(), passphrase=None, with_uploads=False)
                with db.connection():
                    self._note("migrate", backup=str(path), marks=marks(db))
                self._forget_old_backups(path)
            else:
                self._note("migrate")

    def _migrate(self) -> None:
        applied: list[str] = []
        try:
            with self._database() as db, db.connection():
                before = totals(db)
                applied = migrate_at_once(db, lambda: _require_same(before, totals(db)))
        except ReplyXError as error:
            self._forget()
            raise UpgradeFailed(
                f"Обновить базу не удалось: {error.message_ru} Она осталась прежней. {self._way_back()[0]}",
                f"The database could not be migrated: {error.message_en} It is as it was. {self._way_back()[1]}",
            ) from error
        except Exception as error:
            self._forget()
            logger.debug("a migration failed", exc_info=error)
            what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            raise UpgradeFailed(
                f"Обновить базу не удалось: {what}. Она осталась прежней. {self._way_back()[0]}",
                f"The database could not be migrated: {what}. It is as it was. {self._way_back()[1]}",
            ) from error
        self._note("start", applied=[*self._state.applied, *applied])

    def _start(self) -> None:
        failed = self._units.start(self._state.units)
        if not failed:
            self._forget()
            return
        with holding(self._config):
            raise self._put_back(failed)

    def _put_back(self, failed: list[str]) -> UpgradeFailed:
        """The old database where nobody has worked since; answers what to tell."""
        names = ", ".join(failed)
        self._note("back", failed=failed)
        self._units.stop(self._state.units)
        journal = " ".join(f"-u {name}" for name in failed)
        if self._state.backup is None or not self._is_untouched():
            self._forget()
            return UpgradeFailed(
                f"Не запустилось: {names}. База новая и цела; копия прежней: {self._state.backup}. "
                f"Причина: journalctl {journal}",
                f"Not started: {names}. The database is the new one and sound; a copy of the old: "
                f"{self._state.backup}. Reason: journalctl {journal}",
            )
        Restore(Path(self._state.backup), self._config, migrate_after=False).run()
        ru, en = self._way_back()
        self._forget()
        return UpgradeFailed(
            f"Не запустилось: {names} (journalctl {journal}). База возвращена в прежний вид. {ru}",
            f"Not started: {names} (journalctl {journal}). The database was put back as it was. {en}",
        )

    def _is_untouched(self) -> bool:
        """Whether nothing came in since the backup; what came in must not be lost with the way back."""
        with self._database() as db, db.connection():
            now = marks(db)
        return all(now.get(name) == mark for name, mark in self._state.marks.items())

    def _way_back(self) -> tuple[str, str]:
        """How to get back to what ran before."""
        version = f'"replyx=={self._state.older[0]}"' if self._state.older else '"replyx==…"'
        start = f"systemctl start {' '.join(self._state.units)}" if self._state.units else "replyx up"
        return (
            f"Верните прежнюю программу: pip install {version} && {start}",
            f"Put the earlier program back: pip install {version} && {start}",
        )

    def _place(self) -> Path:
        return local_folder(self._config) / f"before-upgrade-{self._clock.now():%Y%m%d-%H%M%S}.backup"

    def _forget_old_backups(self, newest: Path) -> None:
        for old in sorted(newest.parent.glob("before-upgrade-*.backup"), reverse=True)[_KEEP:]:
            old.unlink(missing_ok=True)

    @contextmanager
    def _database(self) -> Iterator[Database]:
        with closing(Database(self._config.database_url, pool=2, timeout=self._config.database.timeout)) as db:
            yield db

    def _read(self) -> _State:
        try:
            return _State(**json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return _State()

    def _note(self, step: str, **changes: object) -> None:
        """Write down, past any power cut, that `step` is what comes now."""
        self._state = _State(**{**asdict(self._state), "step": step, **changes})
        draft = self._file.with_name(f".{STATE}.part")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self._state), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)
        self._told(step)

    def _forget(self) -> None:
        self._file.unlink(missing_ok=True)


def unfinished_step(config: Config) -> str:
    """The step at which an upgrade was broken off; empty where none was."""
    file = config.data_dir / STATE
    return str(json.loads(file.read_text(encoding="utf-8"))["step"]) if file.is_file() else ""


def _alive(db: Database, clock: Clock) -> list[BeatView]:
    if _BEATS_SINCE not in schema_status(db).applied:
        return []
    return [beat for beat in Beats(db, clock).list() if beat.alive]


def _older(alive: list[BeatView]) -> list[str]:
    found = {str((beat.detail or {}).get("version", "?")) for beat in alive}
    return sorted(found - {__version__})


def _require_same(before: dict[str, int], after: dict[str, int]) -> None:
    lost = [f"{name}: {count} → {after.get(name)}" for name, count in before.items() if after.get(name) != count]
    if lost:
        raise UpgradeFailed(
            f"Проверка не сошлась ({'; '.join(lost)}).", f"What was there is not all there ({'; '.join(lost)})."
        )
