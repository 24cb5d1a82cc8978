"""ClamAV: every uploaded file goes through clamd, over its socket or TCP."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from replyx.clock import Clock
from replyx.config.settings import setting
from replyx.errors import ConfigError
from replyx.plugins.hooks import Plugin
from replyx.plugins.uploads import ScannerUnavailable

_PIECE = 65_536

#: Longest answer that clamd gives, in bytes.
_MOST_ANSWER = 4096


@dataclass(frozen=True)
class Settings:
    address: str = setting(
        "", "clamd's socket: `/run/clamav/clamd.ctl`, or `HOST:PORT`; empty: uploads are not scanned."
    )
    timeout: float = setting(60.0, "Longest silence of clamd, in seconds.", low=0.1)


class Clamd:
    """A client of clamd's INSTREAM."""

    name = "clamav"

    def __init__(self, settings: Settings) -> None:
        self._address, self._timeout = settings.address, settings.timeout
        self._host, self._port = ("", 0) if settings.address.startswith("/") else _host_and_port(settings.address)

    def scan(self, file: Path) -> str | None:
        try:
            with closing(self._connect()) as clamd, file.open("rb") as content:
                clamd.settimeout(self._timeout)
                # Over its StreamMaxLength clamd answers and hangs up; the answer says why.
                with suppress(BrokenPipeError, ConnectionResetError):
                    clamd.sendall(b"zINSTREAM\0")
                    while piece := content.read(_PIECE):
                        clamd.sendall(len(piece).to_bytes(4, "big") + piece)
                    clamd.sendall(bytes(4))
                answer = _answer(clamd)
        except OSError as error:
            raise ScannerUnavailable(f"clamd at {self._address}: {error}") from error
        if answer == "stream: OK":
            return None
        if found := re.fullmatch(r"stream: (.+) FOUND", answer):
            return found[1]
        # Such as "INSTREAM size limit exceeded. ERROR": StreamMaxLength is below knowledge.max_file_bytes.
        raise ScannerUnavailable(f"clamd at {self._address}: {answer or 'no answer'}")

    def _connect(self) -> socket.socket:
        if not self._host:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(self._timeout)
            try:
                made.connect(self._address)
            except OSError:
                made.close()
                raise
            return made
        return socket.create_connection((self._host, self._port), timeout=self._timeout)


class ClamAV(Plugin):
    """Scans uploads where clamd's address is set."""

    settings_type = Settings

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._scanners = [Clamd(settings)] if settings.address else []

    def upload_scanners(self) -> Sequence[Clamd]:
        return self._scanners


def _answer(clamd: socket.socket) -> str:
    raw = b""
    while not raw.endswith(b"\0") and len(raw) < _MOST_ANSWER:
        piece = clamd.recv(_MOST_ANSWER)
        if not piece:
            break
        raw += piece
    return raw.rstrip(b"\0").decode("utf-8", "replace")


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII):
        raise ConfigError(
            f"plugin.clamav.address = {address}: нужен путь сокета или ХОСТ:ПОРТ.",
            f"plugin.clamav.address = {address}: the socket's path or HOST:PORT is needed.",
        )
    return host.strip("[]"), int(port)
