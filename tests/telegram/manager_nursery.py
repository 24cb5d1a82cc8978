"""Run as a program: forks bot managers that start in a moment, since everything is imported already.

Each line of standard input starts one on the data directory, and is answered with its process id. What it logs, at
the lowest level, goes to `managers.log` in that directory. With `alone` behind the arguments it is one itself.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

_MODULES = ("replyx.app", "replyx.bots.manager", "replyx.bots.running", "replyx.log")

_PR_SET_PDEATHSIG = 1


def main(folder: str, url: str, alone: str = "") -> None:
    if alone:
        _live(Path(folder), url)
    for name in _MODULES:
        importlib.import_module(name)
    gc.freeze()
    # Children that ended are not waited for by anybody.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(Path(folder), url)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _live(folder: Path, url: str) -> NoReturn:
    """The whole life of one manager."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with (folder / "managers.log").open("ab") as log:
            os.dup2(log.fileno(), 2)
        from replyx.app import open_app
        from replyx.bots.running import run_bots
        from replyx.config.loading import load_config
        from replyx.log import setup_logging

        setup_logging("debug", as_json=True)
        settings = {"REPLYX_DATA_DIR": str(folder), "REPLYX_BOTS__API_BASE": url}
        run_bots(open_app(load_config(folder / "replyx.toml", settings)), threading.Event())
    finally:
        os._exit(70)


if __name__ == "__main__":
    main(*sys.argv[1:])
