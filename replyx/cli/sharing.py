"""All processes of an installation have one data directory: what one of them keeps, another one reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from replyx.errors import ConfigError
from replyx.tasks.beats import SILENCE_SECONDS

if TYPE_CHECKING:
    import threading

    from replyx.app import App

#: Seconds between two looks whether a process that has another directory is dead.
_PAUSE = 0.5


def wait_for_one_data_directory(services: App, stop: threading.Event) -> None:
    """Let a role start; one that was killed under another directory, as before a move, is waited for.

    Raises:
        ConfigError: processes run that keep their files elsewhere.
    """
    until = time.monotonic() + SILENCE_SECONDS + _PAUSE
    while time.monotonic() < until and services.beats.apart() and not stop.wait(_PAUSE):
        pass
    if not stop.is_set():
        require_one_data_directory(services)


def require_one_data_directory(services: App) -> None:
    """Refuse to store files where those who run would not find them.

    Raises:
        ConfigError: processes run that keep their files elsewhere.
    """
    names = ", ".join(services.beats.apart())
    if names:
        folder = services.config.data_dir
        raise ConfigError(
            f"Каталог данных {folder} не тот, с которым работают {names}: загруженного они не увидят. Нужен один на "
            "все узлы (как по NFS): подключите его или задайте --data-dir",
            f"The data directory {folder} is not the one of {names}: they would not see what is uploaded. All hosts "
            "need the same one (as over NFS): mount it, or give --data-dir",
        )
