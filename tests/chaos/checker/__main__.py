"""`python -m tests.chaos.checker HISTORY DATABASE_URL`: judge a run; ends with 1 where it went wrong."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.chaos.checker.judging import judge


def main() -> int:
    """Print the figures and what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.checker")
    parser.add_argument("history", type=Path)
    parser.add_argument("database_url")
    asked = parser.parse_args()
    verdict = judge(asked.history, asked.database_url)
    sys.stdout.write(f"{json.dumps(verdict.figures)}\n{verdict}\n")
    return int(not verdict.is_good)


if __name__ == "__main__":
    sys.exit(main())
