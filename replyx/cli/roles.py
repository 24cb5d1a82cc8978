"""The roles of one process: started in threads, ended by a signal or by the first that fails, joined in time."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from replyx.cli.exits import ExitCode
from replyx.cli.output import line
from replyx.errors import ConfigError
from replyx.tasks.notify import notify

if TYPE_CHECKING:
    from replyx.config.settings import Config
    from replyx.storage.database import Database

logger = logging.getLogger(__name__)

#: Seconds from the signal on that everything has to end.
END_SECONDS = 10.0


class Roles:
    """Threads that run until `stop` is set; what one of them raises stops the others."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        #: When the end was asked for, by the monotonic clock.
        self._asked_at: float | None = None

    def catch_signals(self) -> None:
        """SIGINT and SIGTERM ask for the end; the second one does not wait for it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def end_on_failed_sync(self, db: Database) -> None:
        """End the process at once, by `EXIT_DISK`, where SQLite's disk refuses to keep what was written."""
        db.on_failed_sync = _end_for_the_disk

    def start(self, name: str, run: Callable[[], object]) -> None:
        """Run a role in a thread of its own."""
        thread = threading.Thread(target=self._guarded, args=(name, run), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Wait until the end is asked for.

        The main thread must not wait on `stop` itself: a signal handler that sets it while its lock is held would
        wait for ever.
        """
        while not self.stop.is_set():
            time.sleep(0.1)

    def end(self) -> None:
        """Ask all roles to end and wait for them; what one of them failed with is raised.

        A role that does not end in time is left behind, together with the process: its work is leased and will be
        found by the next one.
        """
        self._ask_for_end()
        deadline = (self._asked_at or 0.0) + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late and self._failure is None and sys.exc_info()[0] is None:
            logger.warning("some work did not end in time; it will be taken up again", extra={"roles": late})
            sys.stdout.flush()
            os._exit(0)
        if self._failure is not None:
            raise self._failure

    def _guarded(self, name: str, run: Callable[[], object]) -> None:
        try:
            run()
        except Exception as error:
            logger.exception("a role failed", extra={"role": name})
            self._failure = self._failure or error
        self._ask_for_end()

    def _on_signal(self, number: int, _frame: Any) -> None:
        if self.stop.is_set():
            os._exit(128 + number)
        self._ask_for_end()

    def _ask_for_end(self) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            notify("STOPPING=1")
        self.stop.set()


def _end_for_the_disk() -> None:
    """The next start recovers from what is really on the disk. Nothing of this process may go on as if it were."""
    logger.critical(
        "the disk did not keep what was written; the process ends. See the kernel's log (dmesg) for the disk"
    )
    sys.stdout.flush()
    os._exit(ExitCode.EXIT_DISK)


def say_ready(text: str) -> None:
    """One line on standard output, and a word to systemd."""
    line(text)
    notify("READY=1")


def require_several_processes(config: Config, role: str) -> None:
    """Refuse a role of its own where nothing connects it to the others.

    Raises:
        ConfigError: no Redis is configured.
    """
    if config.is_embedded:
        raise ConfigError(
            f"replyx {role}: для нескольких процессов нужен redis.url (REPLYX_REDIS__URL). "
            "Всё в одном процессе: replyx up",
            f"replyx {role}: several processes need redis.url (REPLYX_REDIS__URL). Everything in one: replyx up",
        )
