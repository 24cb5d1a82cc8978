"""The lock that keeps two `replyx up` off one data directory, and waiting for the end of an upgrade."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replyx.backup.upgrade_lock import is_held
from replyx.config.settings import Config
from replyx.errors import AlreadyRunning, ConfigError
from replyx.tasks.notify import notify

#: In the data directory. The kernel frees it however its holder ended; the file itself stays.
FILE_NAME = "up.lock"


@contextmanager
def hold_data_dir(folder: Path) -> Iterator[None]:
    """Be the only `replyx up` on this data directory for the length of the block.

    Raises:
        AlreadyRunning: another process is; the message says which. ConfigError: the directory cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (folder / FILE_NAME).open("a+", encoding="ascii")
    except OSError as error:
        raise ConfigError(
            f"В каталог данных {folder} не записать: {error.strerror}. Задайте другой: --data-dir",
            f"The data directory {folder} cannot be written to: {error.strerror}. Give another: --data-dir",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read(20).strip() or "?"
            raise AlreadyRunning(
                f"С каталогом {folder} уже работает replyx up (процесс {holder}). Остановите его: kill {holder}; "
                "или задайте другой каталог: --data-dir",
                f"Another replyx up (process {holder}) uses {folder}. Stop it: kill {holder}; "
                "or give another directory: --data-dir",
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def wait_for_upgrade(config: Config) -> None:
    """Return once no upgrade is under way: systemd starts the server for whoever calls in the middle of one."""
    while is_held(config):
        # Microseconds from now on until systemd would give the start up.
        notify("STATUS=waiting for the end of an upgrade\nEXTEND_TIMEOUT_USEC=30000000")
        time.sleep(0.2)
