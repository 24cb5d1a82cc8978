"""A process that migrates: `python -m tests.migration.migrating URL [--at TIME] [--die-before REGEX]`.

`--die-before` kills the process, as a power cut would, when the first statement that matches is about to run.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import time

from replyx.storage.database import Database
from replyx.storage.schema import migrate


class Death(logging.Handler):
    """peewee logs each statement before it runs; this one kills the process at the first that matches."""

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self._pattern = re.compile(pattern)

    def emit(self, record: logging.LogRecord) -> None:
        if self._pattern.search(str(record.msg)):
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--at", type=float, default=0.0, help="seconds since 1970 to begin at")
    parser.add_argument("--die-before", default="")
    wanted = parser.parse_args()
    if wanted.die_before:
        logger = logging.getLogger("peewee")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(Death(wanted.die_before))
    db = Database(wanted.url, pool=2, timeout=30)
    time.sleep(max(0.0, wanted.at - time.time()))
    migrate(db)
    db.close()


if __name__ == "__main__":
    main()
