"""The machine under fire: database, Redis, a model, and ReplyX itself as its systemd units would run it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from replyx.testing.fault_proxy import FaultProxy
from replyx.testing.telegram_server import FakeTelegram
from tests.chaos.checker.record import query
from tests.chaos.history import History
from tests.chaos.servers import Cluster, EmptyRedis
from tests.chaos.supervisor import RESTART_SECONDS, Supervisor, Unit
from tests.support.documents import REPOSITORY
from tests.support.processes import Box
from tests.support.programs import free_port, wait_until

_GUARDED = REPOSITORY / "tests" / "support" / "guarded"

DatabaseKind = Literal["postgres", "sqlite"]

#: `processes`: server, two workers and the bot manager; `up`: everything in one process, without Redis.
Layout = Literal["processes", "up"]

#: `Backlog` of `deploy/systemd/replyx-server.socket`.
_BACKLOG = 4096


@dataclass(frozen=True)
class Plan:
    """What the machine is to look like."""

    database: DatabaseKind = "sqlite"
    layout: Layout = "processes"
    #: The ReplyX that runs: this checkout, or another with a patch applied.
    checkout: Path = REPOSITORY
    #: Settings beside those that the rig needs.
    settings: dict[str, str] = field(default_factory=dict)
    #: Servers that ReplyX reaches through a proxy which can misbehave: `postgres`, `redis`.
    proxied: tuple[str, ...] = ()
    restart_seconds: float = RESTART_SECONDS
    #: Programs that stand before ReplyX's own, such as `prlimit` and its arguments; by role, `*` for all.
    wrappers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Environment of single units beside what all have.
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    data_dir: Path | None = None


class Machine:
    """Everything that runs. Entered, it is up; left, nothing of it is."""

    def __init__(self, folder: Path, history: History, plan: Plan) -> None:
        self.folder, self.history, self.plan = folder, history, plan
        folder.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self.supervisor = Supervisor(history, folder, plan.restart_seconds)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.cluster: Cluster | None = None
        self.redis: EmptyRedis | None = None
        self.proxies: dict[str, FaultProxy] = {}
        self.llm_url = ""
        self.telegram = FakeTelegram()
        self.box = Box(folder)
        self.box.environment |= {
            "PYTHONPATH": f"{_GUARDED}{os.pathsep}{plan.checkout}",
            "REPLYX_LIMITS__ENABLED": "false",
            "REPLYX_DATA_DIR": str(plan.data_dir or folder / "data"),
            "REPLYX_SERVER__PORT": self.url.rsplit(":", 1)[1],
            "REPLYX_ACCOUNTS__WELCOME_BONUS": "1000000",
            "REPLYX_LOG__FORMAT": "text",
            "MALLOC_ARENA_MAX": "2",
            **plan.settings,
        }

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.telegram)
            self.box.environment["REPLYX_BOTS__API_BASE"] = self.telegram.base_url
            self._start_servers()
            self._start_llm()
            self._migrate()
            self.start_product()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._tear_down()

    @property
    def roles(self) -> list[str]:
        """The units that are ReplyX."""
        return ["up"] if self.plan.layout == "up" else ["server", "worker-1", "worker-2", "bots"]

    @property
    def targets(self) -> list[str]:
        """What the nemesis may kill."""
        return [name for name in (*self.roles, "redis", "postgres") if name in self.supervisor.names]

    @property
    def database_url(self) -> str:
        """Past any proxy: for the checker."""
        if self.cluster is not None:
            return self.cluster.url("replyx")
        return f"sqlite:///{self.box.environment['REPLYX_DATA_DIR']}/replyx.db"

    def start_product(self) -> None:
        """Start ReplyX and wait until it is ready."""
        for name in self.roles:
            role = name.split("-")[0]
            wrapper = self.plan.wrappers.get(name, self.plan.wrappers.get("*", ()))
            environment = self.box.environment | self.plan.environments.get(name, {})
            command = [*wrapper, sys.executable, "-m", "replyx", role]
            # Whoever serves finds the address open, as under systemd: who calls while it starts waits.
            listening = self._socket if role in ("server", "up") else None
            self.supervisor.add(Unit(name, command, environment, self.folder, listening=listening))
        self.wait_until_ready(60)

    def stop_product(self) -> dict[str, float]:
        """SIGTERM for every unit of ReplyX, all at once as systemd does; seconds that each took to end."""
        pids = {}
        for name in self.roles:
            self.supervisor.hold(name)
            pids[name] = self.supervisor.send(name, signal.SIGTERM)
        took = {n: self.supervisor.wait_for_end(n, pid, 30) for n, pid in pids.items() if pid is not None}
        self.history.add("drained", seconds={name: round(seconds, 2) for name, seconds in took.items()})
        return took

    def tidy_index(self) -> None:
        """Do the upkeep of the index that a worker would do in some minutes, and note where it is; if there is one."""
        if not query(self.database_url, "SELECT COUNT(*) AS n FROM documents")[0]["n"]:
            return
        command = [sys.executable, "-m", "tests.chaos.upkeep"]
        environment = {**self.box.environment, "PYTHONPATH": f"{self.plan.checkout}{os.pathsep}{REPOSITORY}"}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"the index cannot be tidied: {done.stderr}")
        self.history.add("index", **json.loads(done.stdout.splitlines()[-1]))

    def wait_until_ready(self, seconds: float) -> float:
        """Seconds until every unit runs and `/readyz` says that all is well."""
        start = time.monotonic()
        wait_until(self.is_ready, seconds, f"the machine is not ready: {self.readiness()}")
        return time.monotonic() - start

    def is_ready(self) -> bool:
        units = (self.supervisor[name] for name in self.supervisor.names)
        return all(unit.pid is not None and (unit.works is None or unit.works()) for unit in units) and bool(
            self.readiness().get("ready")
        )

    def readiness(self) -> dict[str, Any]:
        """What `/readyz` says, and `ready`: whether every check of it is well."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                body: dict[str, Any] = json.load(answer)
                return body | {"ready": True}
        except (OSError, ValueError) as error:
            return {"ready": False, "error": str(error)}

    def script(self, **script: Any) -> None:
        """Tell the model how to answer: see `replyx.testing.llm_server`."""
        self._llm("POST", "/_script", script)

    def llm_counts(self) -> dict[str, int]:
        """How many requests the model got, by what became of them."""
        counts: dict[str, int] = self._llm("GET", "/_counts")
        return counts

    def kill(self, name: str, *, whole: bool = True) -> int | None:
        """SIGKILL, for a unit's children too where `whole`."""
        return self.supervisor.send(name, signal.SIGKILL, whole_session=whole)

    def cli(self, *arguments: str, stdin: str = "") -> str:
        """Run a command to its end; what it wrote."""
        done = self.box.run(*arguments, stdin=stdin, seconds=300)
        if done.code:
            raise RuntimeError(f"replyx {' '.join(arguments)}: {done.err}")
        return done.out

    def _start_servers(self) -> None:
        if self.plan.layout == "processes":
            self.redis = EmptyRedis(self.folder)
            self.supervisor.add(self.redis.unit())
            self.box.environment["REPLYX_REDIS__URL"] = self.redis.url(self._port_of("redis", self.redis.port))
        if self.plan.database == "postgres":
            self.cluster = Cluster()
            self._stack.callback(self.cluster.remove)
            self.supervisor.add(self.cluster.unit())
            wait_until(self.cluster.works, 30, "PostgreSQL did not start")
            self.cluster.create_database("replyx")
            port = self._port_of("postgres", self.cluster.port)
            self.box.environment["REPLYX_DATABASE__URL"] = self.cluster.url("replyx", port)
        if self.redis is not None:
            wait_until(self.redis.works, 10, "Redis did not start")

    def _start_llm(self) -> None:
        port = free_port()
        command = [sys.executable, "-m", "replyx.testing.llm_server", "--port", str(port)]
        # Always this checkout's: it is part of the rig.
        environment = {**self.box.environment, "PYTHONPATH": f"{_GUARDED}{os.pathsep}{REPOSITORY}"}
        self.supervisor.add(Unit("llm", command, environment, self.folder, works=self._llm_works))
        self.llm_url = f"http://127.0.0.1:{port}/v1"

    def _llm_works(self) -> bool:
        try:
            self.llm_counts()
        except OSError:
            return False
        return True

    def _llm(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.llm_url.removesuffix("/v1") + path, data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def _migrate(self) -> None:
        if self.cluster is not None:
            # SQLite is migrated by whoever opens it.
            self.cli("db", "migrate")
        wait_until(self._llm_works, 20, "the model did not start")

    def _port_of(self, name: str, port: int) -> int:
        """Where ReplyX finds a server: at its own port, or at that of a proxy before it."""
        if name not in self.plan.proxied:
            return port
        self.proxies[name] = self._stack.enter_context(FaultProxy("127.0.0.1", port))
        return self.proxies[name].port

    def _tear_down(self) -> None:
        self.supervisor.stop(seconds=15)
        self._socket.close()
        self.box.close()
        self._stack.close()
