"""Run as a program in the machine's environment: the index's upkeep, which a worker does every ten minutes."""

from __future__ import annotations

import json
import os
import sys

from replyx.app import open_app
from replyx.config.loading import load_config


def main() -> None:
    """Do it, and print where the index is."""
    config = load_config(None, dict(os.environ))
    app = open_app(config)
    try:
        app.knowledge.compact()
        table = f"{app.knowledge.stats()['embedder']}_parts"
    finally:
        app.close()
    sys.stdout.write(json.dumps({"uri": config.knowledge_uri, "table": table}) + "\n")


if __name__ == "__main__":
    main()
