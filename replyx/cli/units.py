"""The units of ReplyX as systemd runs them on this machine: which run, stopping, starting."""

from __future__ import annotations

import os
import shutil
import subprocess

from replyx.errors import ConfigError

#: Seconds in which units have to end or to become ready; they tell systemd more where they need it.
_PATIENCE = 300


class SystemdUnits:
    """Those of root's systemd, or of the user's own."""

    def __init__(self) -> None:
        self._systemctl = ["systemctl", *([] if os.geteuid() == 0 else ["--user"])]

    def running(self) -> list[str]:
        """Services of ReplyX that run or are about to; none where there is no systemd.

        Raises:
            ConfigError: root's systemd runs them, and this is not root.
        """
        found = self._services(self._systemctl)
        if not found and os.geteuid() != 0 and self._services(["systemctl"]):
            raise ConfigError(
                "Юниты ReplyX запущены от root: sudo replyx upgrade", "Run it as root: sudo replyx upgrade"
            )
        return found

    def stop(self, names: list[str]) -> None:
        """End them. Their sockets stay open: who calls meanwhile waits.

        Raises:
            ConfigError: systemd refused.
        """
        if names and (code := self._call("stop", *names)):
            command = " ".join([*self._systemctl, "stop", *names])
            raise ConfigError(f"Не получилось ({code}): {command}", f"It failed ({code}): {command}")

    def start(self, names: list[str]) -> list[str]:
        """Start them and wait until they say that they work; answers those that do not."""
        if not names:
            return []
        self._call("reset-failed", *names)
        self._call("start", *names)
        return [name for name in names if self._call("is-active", "--quiet", name)]

    def _call(self, *arguments: str) -> int:
        done = subprocess.run([*self._systemctl, *arguments], capture_output=True, check=False, timeout=_PATIENCE)
        return done.returncode

    def _services(self, systemctl: list[str]) -> list[str]:
        if shutil.which(systemctl[0]) is None:
            return []
        states = "--state=active,activating,reloading,deactivating"
        command = [*systemctl, "list-units", "replyx*.service", "--plain", "--no-legend", states]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
        return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
