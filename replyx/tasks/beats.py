"""Signs of life: each role writes when it last got on with its work; who is silent for 15 s counts as dead."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from replyx import __version__
from replyx.clock import Clock, iso
from replyx.storage.database import Database
from replyx.storage.processes import ProcessBeat
from replyx.tasks.notify import notify
from replyx.tasks.signs import Signs
from replyx.types import Json

#: Seconds between two beats of a healthy process, and the silence after which it counts as dead.
BEAT_SECONDS = 2.0
SILENCE_SECONDS = 15.0

#: Seconds after which a dead process is no longer listed.
FORGOTTEN_SECONDS = 86_400.0


def process_name(role: str) -> str:
    """The name under which this process beats in `role`."""
    return f"{role}@{socket.gethostname()[:60]}:{os.getpid()}"


@dataclass(frozen=True)
class BeatView:
    """One role of one process."""

    name: str
    role: str
    started_at: datetime
    #: Seconds since its last beat, by the database's clock.
    age_seconds: float
    detail: Json | None

    @property
    def alive(self) -> bool:
        return self.age_seconds < SILENCE_SECONDS

    def as_json(self) -> Json:
        return {
            "name": self.name,
            "role": self.role,
            "started_at": iso(self.started_at),
            "age_seconds": round(self.age_seconds, 1),
            "alive": self.alive,
            "detail": self.detail,
        }


class Beats:
    """The table of running processes."""

    def __init__(self, db: Database, clock: Clock, signs: Signs | None = None) -> None:
        """`signs` are of the data directory that all processes are to share; None where there is one process."""
        self._db, self._clock, self._signs = db, clock, signs
        self._lock = threading.Lock()
        self._started: set[str] = set()
        #: The sign of each name that beats here.
        self._made: dict[str, str] = {}

    def beat(self, name: str, role: str, detail: Json | None = None) -> None:
        """Say that `name` lives; its first beat from here is its start, also where a dead one left the same name."""
        try:
            self._beat(name, role, detail)
        finally:
            # Also where the database is away: then this process works as it should, and ending it would not help.
            notify("WATCHDOG=1")

    def _beat(self, name: str, role: str, detail: Json | None) -> None:
        with self._lock:
            is_first = name not in self._started
            self._started.add(name)
            if self._signs is not None and name not in self._made and (sign := self._signs.make()) is not None:
                self._made[name] = sign
            own = {"sign": self._made[name]} if name in self._made else {}
        # `replyx upgrade` and `replyx doctor` tell from it which processes run an earlier program.
        detail = {"version": __version__, **own, **(detail or {})}
        with self._db.transaction(provisional=True):
            now = self._db.now_ms()
            changes = {"role": role, "beat_at": now, "detail": detail, **({"started_at": now} if is_first else {})}
            ProcessBeat.insert(name=name, role=role, started_at=now, beat_at=now, detail=detail).on_conflict(
                conflict_target=[ProcessBeat.name], update=changes
            ).execute()

    def list(self) -> list[BeatView]:
        """Every process that is running or died within a day, by name."""
        with self._db.connection():
            age = (self._db.now_ms() - ProcessBeat.beat_at).alias("age")
            rows: Iterable[Any] = ProcessBeat.select(ProcessBeat, age).order_by(ProcessBeat.name)
            return [
                BeatView(
                    name=row.name,
                    role=row.role,
                    started_at=datetime.fromtimestamp(row.started_at / 1000, UTC),
                    age_seconds=max(0, row.age) / 1000,
                    detail=row.detail,
                )
                for row in rows
            ]

    def server_url(self) -> str | None:
        """How the server that was started last is reached, as it says itself; None where none is running."""
        servers = [beat for beat in self.list() if beat.alive and beat.detail and beat.detail.get("url")]
        newest = max(servers, key=lambda beat: beat.started_at, default=None)
        return str(newest.detail["url"]) if newest is not None and newest.detail else None

    def apart(self) -> tuple[str, ...]:
        """Names of running processes whose data directory is another one than ours: files that they keep are not here.

        Nothing is known of processes of earlier programs, nor where there is one process.
        """
        away = self._away()
        # One that has ended meanwhile took its row away before its sign.
        return tuple(sorted(away & self._away())) if away else ()

    def _away(self) -> set[str]:
        if self._signs is None:
            return set()
        return {
            beat.name
            for beat in self.list()
            if beat.alive and (sign := _sign(beat.detail)) and not self._signs.has(sign)
        }

    def forget(self, name: str) -> None:
        """Remove a process that stopped as it should."""
        with self._lock:
            self._started.discard(name)
            sign = self._made.pop(name, None)
        with self._db.transaction():
            ProcessBeat.delete().where(ProcessBeat.name == name).execute()
        if self._signs is not None and sign is not None:
            self._signs.remove(sign)

    def purge_expired(self) -> int:
        """Remove processes that died more than a day ago; returns how many."""
        with self._db.transaction():
            removed: int = (
                ProcessBeat.delete().where(ProcessBeat.beat_at < self._db.now_ms(-FORGOTTEN_SECONDS)).execute()
            )
        if self._signs is not None:
            self._signs.remove_forgotten({sign for beat in self.list() if (sign := _sign(beat.detail))})
        return removed


def _sign(detail: Json | None) -> str | None:
    """The sign in the detail of a beat, as another process has written it."""
    found = (detail or {}).get("sign")
    return found if isinstance(found, str) and found else None
