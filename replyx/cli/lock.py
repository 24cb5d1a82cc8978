"""The lock that keeps two `replyx up` off one data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replyx.errors import AlreadyRunning, ConfigError

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
