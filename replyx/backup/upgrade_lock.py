"""The lock that an upgrade holds: a second one is refused, and processes that start wait for its end."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from replyx.config.settings import Config
from replyx.errors import AlreadyRunning

#: In the data directory. The kernel frees it however its holder ended; the file itself stays.
FILE_NAME = "upgrade.lock"


@contextmanager
def holding(config: Config) -> Iterator[None]:
    """Keep other upgrades, and processes that start, waiting for the length of the block.

    Raises:
        AlreadyRunning: another upgrade is under way.
    """
    with (config.data_dir / FILE_NAME).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                "Обновление уже идёт. Дождитесь его конца.", "An upgrade is under way already. Wait for its end."
            ) from error
        yield


def is_held(config: Config) -> bool:
    """Whether an upgrade is under way at this moment."""
    file = config.data_dir / FILE_NAME
    if not file.exists():
        return False
    with file.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
