"""A clamd of the test's own: Debian's daemon with a signature of ours, on its own socket."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.programs import dying_with_us, find_program, free_port, stop, wait_until

#: The file that every scanner is tested with; in two parts, so that none finds it here.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

#: What our signature calls it.
VIRUS = "ReplyX.Test.EICAR.UNOFFICIAL"


class Clamd:
    """The daemon. It may be stopped and started again where it was; `stop` for good takes its folder away."""

    def __init__(self, most_bytes: int = 26_214_400) -> None:
        """Start it. It refuses streams over `most_bytes`."""
        self._folder = Path(tempfile.mkdtemp(prefix="replyx-clamd-"))
        self.path = str(self._folder / "clamd.sock")
        self.port = free_port()
        database = self._folder / "signatures"
        database.mkdir()
        (database / "replyx.ndb").write_text(f"ReplyX.Test.EICAR:0:*:{EICAR.hex()}\n")
        self._config = self._folder / "clamd.conf"
        self._config.write_text(
            f"LocalSocket {self.path}\nTCPSocket {self.port}\nTCPAddr 127.0.0.1\nDatabaseDirectory {database}\n"
            f"Foreground true\nStreamMaxLength {most_bytes}\nTemporaryDirectory {self._folder}\n"
            "LogSyslog false\nConcurrentDatabaseReload false\nMaxThreads 4\n"
        )
        self._process = self._spawn()

    @property
    def tcp(self) -> str:
        return f"127.0.0.1:{self.port}"

    def halt(self) -> None:
        """Stop it; it may be started again."""
        stop(self._process)
        Path(self.path).unlink(missing_ok=True)

    def start_again(self) -> None:
        self._process = self._spawn()

    def stop(self) -> None:
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [find_program("clamd"), "--config-file", str(self._config)]
        process = subprocess.Popen(
            dying_with_us(command, "KILL"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder
        )
        wait_until(self._answers, 30, "clamd did not start")
        return process

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(5)
                client.connect(self.path)
                client.sendall(b"zPING\0")
                return client.recv(16) == b"PONG\0"
        except OSError:
            return False
