"""How the installation is: each part looked at, in the contract's words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from replyx.app import App
from replyx.errors import ReplyXError, ServiceUnavailable
from replyx.events.redis_link import memory_in_use
from replyx.tasks.beats import BeatView
from replyx.types import Json

#: Seconds after which an answer that is owed says that answering has stopped.
_LATE = 60.0

#: Bytes of free disk below which it is time to act.
_SPACE = 256 * 1024 * 1024


@dataclass(frozen=True)
class Check:
    """One part: whether it is well, and a word on it. Without a vital part the appliance cannot do its work."""

    name: str
    ok: bool
    detail: str
    is_vital: bool = False

    def as_json(self) -> Json:
        return {"name": self.name, "ok": self.ok, "detail": self.detail}


class Health:
    """Looks at every part; slow parts have time-outs of their own. Runs in a thread."""

    def __init__(self, app: App) -> None:
        self._app = app

    def checks(self) -> list[Check]:
        """What `/readyz` goes by; never raises."""
        return [self._try(*part) for part in self._parts()]

    def as_json(self) -> Json:
        """The body of `GET /api/admin/system/health`.

        Raises:
            DatabaseUnavailable: then nothing else is known either.
        """
        app, checks = self._app, self.checks()
        beats = [beat for beat in app.beats.list() if beat.alive]
        depth, oldest = app.census.waiting_replies()
        return {
            "status": _status(checks),
            "database": {
                "connected": True,
                "pool_size": app.db.pool_size,
                "active_connections": app.db.connections_in_use,
            },
            "redis": self._redis_json(),
            "bot_manager": self._bot_manager_json(beats),
            "disk_usage": self._disk_json(),
            "workers": [beat.as_json() for beat in beats if beat.role == "worker"],
            "queue": {"depth": depth, "oldest_age": round(oldest, 1)},
            "models": [{"name": name, "engine": str(app.engines.engine_of(name))} for name in app.engines.models()],
            "knowledge": app.knowledge.stats(),
            "checks": [check.as_json() for check in checks],
        }

    def _parts(self) -> list[tuple[str, Callable[[], Check]]]:
        parts: list[tuple[str, Callable[[], Check]]] = [
            ("database", self._database),
            ("worker", self._worker),
            ("bots", self._bots),
            ("queue", self._queue),
            ("disk", self._disk),
        ]
        if not self._app.config.is_embedded:
            parts.insert(1, ("redis", self._redis))
        return parts

    def _try(self, name: str, look: Callable[[], Check]) -> Check:
        try:
            return look()
        except ReplyXError as error:
            return Check(name, ok=False, detail=type(error).en, is_vital=name == "database")

    def _database(self) -> Check:
        with self._app.db.connection():
            self._app.beats.list()
        return Check("database", ok=True, detail="answers", is_vital=True)

    def _redis(self) -> Check:
        return Check("redis", ok=True, detail=f"{_size(self._redis_memory())} in use")

    def _worker(self) -> Check:
        known = [beat for beat in self._app.beats.list() if beat.role == "worker"]
        alive = sum(beat.alive for beat in known)
        # A server that is up before its worker may serve; one whose workers have died leaves customers unanswered.
        return Check("worker", ok=alive > 0, detail=f"{alive} alive", is_vital=bool(known))

    def _bots(self) -> Check:
        alive = sum(beat.alive for beat in self._app.beats.list() if beat.role == "bots")
        states = self._app.bot_states.counts()
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        return Check("bots", ok=alive > 0, detail=f"{alive} alive; bots: {told}" if told else f"{alive} alive")

    def _queue(self) -> Check:
        depth, oldest = self._app.census.waiting_replies()
        return Check("queue", ok=oldest < _LATE, detail=f"{depth} owed, the oldest for {oldest:.0f} s")

    def _disk(self) -> Check:
        free = shutil.disk_usage(self._app.config.data_dir).free
        return Check("disk", ok=free > _SPACE, detail=f"{_size(free)} free")

    def _redis_json(self) -> Json:
        if self._app.config.is_embedded:
            return {"connected": False, "memory_usage": _size(0), "mode": "embedded"}
        try:
            return {"connected": True, "memory_usage": _size(self._redis_memory()), "mode": "redis"}
        except ServiceUnavailable:
            return {"connected": False, "memory_usage": _size(0), "mode": "redis"}

    def _bot_manager_json(self, beats: list[BeatView]) -> Json:
        bots = [beat for beat in beats if beat.role == "bots"]
        now = self._app.clock.now()
        started = min((beat.started_at for beat in bots), default=now)
        return {
            "active_bots": sum(int((beat.detail or {}).get("bots", 0)) for beat in bots),
            "total_processes": len(bots),
            "uptime": _uptime((now - started).total_seconds()),
        }

    def _redis_memory(self) -> int:
        return memory_in_use(self._app.config.redis.url)

    def _disk_json(self) -> Json:
        folder = self._app.config.data_dir
        return {
            "uploads": _size(_folder_size(folder / "uploads")),
            "logs": _size(_folder_size(folder / "logs")),
            "available": _size(shutil.disk_usage(folder).free),
        }


def _status(checks: list[Check]) -> str:
    if all(check.ok for check in checks):
        return "healthy"
    return "degraded" if all(check.ok for check in checks if check.is_vital) else "unhealthy"


def _uptime(seconds: float) -> str:
    """`5d 12h 30m`."""
    minutes = int(seconds) // 60
    return f"{minutes // 1440}d {minutes // 60 % 24}h {minutes % 60}m"


def _size(count: float) -> str:
    """`15.2MB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f}{unit}" if unit == "B" else f"{count:.1f}{unit}"
        count /= 1024
    return f"{count:.1f}TB"


def _folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
