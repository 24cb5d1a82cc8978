"""A PostgreSQL server of the test run's own, from Debian's binaries, gone when the run is gone."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg2
import pytest

from tests.support.leftovers import kept
from tests.support.programs import dying_with_us, fast_folder, find_postgres, free_port, stop, wait_until

#: fsync, full_page_writes and synchronous_commit stay at their defaults: the product refuses to start without them.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "128MB",
    "autovacuum": "off",
    # In the cluster's own folder, so that nothing is left when it is killed.
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "fatal",
}

#: Then comes the process that the cluster belongs to.
_PREFIX = "replyx-postgres-"


class PostgresServer:
    """One cluster; databases are made from a template that was migrated once."""

    def __init__(self) -> None:
        """Make the cluster and wait until it answers."""
        # The server refuses to run as root; Debian's package brings a user for it.
        self._user = "postgres" if os.geteuid() == 0 else None
        _sweep_dead_clusters()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=fast_folder()))
        if self._user:
            shutil.chown(self._folder, self._user, self._user)
        self._names = itertools.count(1)
        self._port = 0
        self._process = self._start()

    def create(self, template: str = "template1") -> str:
        """Make a database and return its URL."""
        name = f"replyx_{next(self._names)}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove the database of `url`, whoever is still connected to it."""
        self._administer(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

    def replace(self, url: str, template: str) -> None:
        """Make the database of `url` a copy of `template`."""
        self.drop(url)
        self._administer(f"CREATE DATABASE {name_of(url)} TEMPLATE {template}")

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{name}"

    def stop(self) -> None:
        """End the server at once and remove its files."""
        self._process.send_signal(signal.SIGQUIT)
        stop(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        data, log = self._folder / "data", self._folder / "log"
        initdb = [find_postgres("initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync"]
        subprocess.run(
            dying_with_us([*initdb, "--encoding=UTF8", "--locale=C.UTF-8", "--wal-segsize=4"], "KILL", self._user),
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
        )
        for _ in range(5):
            process = self._attempt(data, log)
            if process.poll() is None:
                kept.add(process.pid)
                return process
        pytest.fail(f"PostgreSQL does not start: {log.read_text(errors='replace')}", pytrace=False)

    def _attempt(self, data: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start the server on a port that is free now; it ends by itself where somebody else was faster."""
        self._port = free_port()
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        command = [find_postgres("postgres"), "-D", str(data), "-p", str(self._port), *settings]
        with log.open("wb") as output:
            # QUIT is PostgreSQL's "immediate": it takes its own children along.
            process = subprocess.Popen(
                dying_with_us(command, "QUIT", self._user), stdout=output, stderr=output, cwd=self._folder
            )
        wait_until(lambda: process.poll() is not None or self._answers(), 30, "PostgreSQL did not start")
        return process

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("postgres")).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _administer(self, statement: str) -> None:
        connection = psycopg2.connect(self.url("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


def name_of(url: str) -> str:
    """The database's name in `url`."""
    return url.rsplit("/", 1)[1]


def _sweep_dead_clusters() -> None:
    """Remove what runs that were killed left in memory: their servers are dead, their files are not."""
    for folder in (fast_folder() or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
