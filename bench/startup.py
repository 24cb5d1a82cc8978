"""How soon an installation serves, and what it holds in memory while nobody speaks."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.installation import installation
from bench.table import Row


def run(*, quick: bool) -> list[Row]:
    """Start to `ready`, resident memory at rest, and `replyx --help`."""
    starts, sizes = [], []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder, installation(Path(folder)) as here:
            starts.append(here.start_seconds)
            # What is loaded in the background after `ready` counts too.
            time.sleep(8)
            sizes.append(here.resident_mib())
    start, size = statistics.median(starts), statistics.median(sizes)
    bare, ours = _command("-c", "import typer"), _command("-m", "replyx", "--help")
    return [
        Row("start to ready, new data directory", start, "s", goal="≤ 2 s", is_met=start <= 2),
        Row("resident at rest", size, "MiB", goal="≤ 200 MiB", is_met=size <= 200),
        Row("replyx --help", ours, "s", floor=bare, ratio=ours / bare, goal="≤ 0.3 s", is_met=ours <= 0.3),
    ]


def _command(*arguments: str) -> float:
    seconds = []
    for _ in range(7):
        start = time.monotonic()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)
