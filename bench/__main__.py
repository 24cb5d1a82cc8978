"""`python -m bench [NAME…] [--quick] [--json]`: the measurements, all or by name, and their table."""

from __future__ import annotations

import argparse
import importlib
import json
import sys

from bench.table import Row, show

#: Every measurement: a module of this package with `run(*, quick)`.
MEASUREMENTS = (
    "startup", "requests", "answers", "retrieval", "rightness", "ingestion", "pool", "telegram", "backups", "local",
)  # fmt: skip


def main() -> None:
    """Run what was asked for, print the table; the exit code says nothing of goals: a figure is no test."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASUREMENTS, []], help="which ones; none: all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    rows: list[Row] = []
    for name in asked.names or MEASUREMENTS:
        print(f"measuring {name} …", file=sys.stderr)
        rows += importlib.import_module(f"bench.{name}").run(quick=asked.quick)
    if asked.json:
        print(json.dumps([row.as_json() for row in rows], ensure_ascii=False, indent=2))
    else:
        show(rows)


if __name__ == "__main__":
    main()
