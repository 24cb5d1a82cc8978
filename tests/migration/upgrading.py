"""A process that upgrades: `python -m tests.migration.upgrading FOLDER [--die-at STEP] [--die-before REGEX]`.

`--die-at` kills it once that step was written down, `--die-before` when a statement that matches is about to run.
With `--refuse` the units do not start.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from pathlib import Path

from replyx.backup.upgrading import Upgrade
from replyx.clock import SystemClock
from replyx.config.loading import load_config
from replyx.errors import UpgradeFailed
from tests.migration.migrating import Death


class NotedUnits:
    """In systemd's place: what it was asked for stands in a file, since this process may die."""

    def __init__(self, file: Path, *, refuse: bool) -> None:
        self._file, self._refuse = file, refuse

    def running(self) -> list[str]:
        return ["replyx-server.service", "replyx-worker@1.service"]

    def stop(self, names: list[str]) -> None:
        self._add("stop", names)

    def start(self, names: list[str]) -> list[str]:
        self._add("start", names)
        return names if self._refuse else []

    def _add(self, what: str, names: list[str]) -> None:
        with self._file.open("a") as file:
            file.write(f"{json.dumps([what, names])}\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", default="")
    parser.add_argument("--die-before", default="")
    parser.add_argument("--refuse", action="store_true")
    wanted = parser.parse_args()
    if wanted.die_before:
        logger = logging.getLogger("peewee")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(Death(wanted.die_before))

    def told(step: str) -> None:
        if step == wanted.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    units = NotedUnits(wanted.folder / "units", refuse=wanted.refuse)
    try:
        Upgrade(load_config(wanted.folder / "replyx.toml"), units, SystemClock(), told).run()
    except UpgradeFailed as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
