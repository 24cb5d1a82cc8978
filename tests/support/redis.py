"""A Redis server of the test run's own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import redis

from tests.support.leftovers import kept
from tests.support.programs import dying_with_us, find_program, free_port, stop, wait_until


class RedisServer:
    """Keeps everything in memory: what ReplyX puts there may be lost by design."""

    def __init__(self) -> None:
        """Start it and wait until it answers."""
        self._folder = Path(tempfile.mkdtemp(prefix="replyx-redis-"))
        self._port = free_port()
        self._process = self._spawn()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        return self._process.pid

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def kill(self) -> None:
        """End it as a power cut would: everything in it is gone."""
        self._process.kill()
        self._process.wait()

    def start_again(self) -> None:
        """Start it, empty, where it was."""
        self._process = self._spawn()

    def stop(self) -> None:
        stop(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = {"port": self._port, "bind": "127.0.0.1", "dir": self._folder, "appendonly": "no"}
        command = [find_program("redis-server")]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        process = subprocess.Popen(dying_with_us([*command, "--save", ""], "KILL"), stdout=subprocess.DEVNULL)
        kept.add(process.pid)
        wait_until(self._answers, 10, "Redis did not start")
        return process

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
