"""Run as a program: the sender of one bot on a data directory, until it is killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from replyx.app import open_app
from replyx.config.loading import load_config
from tests.support.senders import run_bare


def main(folder: str, assistant_id: str, url: str, token: str) -> None:
    app = open_app(load_config(Path(folder) / "replyx.toml", {"REPLYX_DATA_DIR": folder}))
    run_bare(app, int(assistant_id), url, token)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
