"""PostgreSQL and Redis as units that can be killed: a cluster that keeps what it had, a Redis that does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg2
import redis

from tests.chaos.supervisor import Unit
from tests.support.programs import dying_with_us, fast_folder, find_postgres, find_program, free_port

_POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "fatal",
}

_ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


class Cluster:
    """A PostgreSQL cluster with durable settings, as a unit of the supervisor."""

    def __init__(self) -> None:
        """Make the cluster; nothing runs yet."""
        # The server refuses to run as root; Debian's package brings a user for it.
        self._user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="replyx-chaos-pg-", dir=fast_folder()))
        if self._user:
            shutil.chown(self.folder, self._user, self._user)
        self.port = free_port()
        initdb = [find_postgres("initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "--auth=trust"]
        subprocess.run(
            dying_with_us([*initdb, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"], "KILL", self._user),
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def url(self, name: str = "postgres", port: int | None = None) -> str:
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{name}"

    def unit(self) -> Unit:
        settings = [f"--{name}={value}" for name, value in _POSTGRES_SETTINGS.items()]
        command = [find_postgres("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *settings]
        return Unit("postgres", command, _ENVIRONMENT, self.folder, "QUIT", self._user, self.works)

    def works(self) -> bool:
        try:
            psycopg2.connect(self.url(), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def create_database(self, name: str) -> str:
        connection = psycopg2.connect(self.url())
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
        finally:
            connection.close()
        return self.url(name)

    def backends(self) -> list[int]:
        """Pids of the processes that serve clients."""
        connection = psycopg2.connect(self.url(), connect_timeout=2)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = 'replyx' ORDER BY pid")
                return [row[0] for row in cursor.fetchall()]
        finally:
            connection.close()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class EmptyRedis:
    """A Redis that keeps nothing over a restart, as a unit of the supervisor."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()

    def url(self, port: int | None = None) -> str:
        return f"redis://127.0.0.1:{port or self.port}/0"

    def unit(self) -> Unit:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._folder, "appendonly": "no", "save": ""}
        command = [find_program("redis-server")]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        return Unit("redis", command, _ENVIRONMENT, self._folder, works=self.works)

    def flush(self) -> None:
        with redis.Redis.from_url(self.url()) as client:
            client.flushall()

    def works(self) -> bool:
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=1) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False
