"""The JSON examples of the contract, each in a file of its own: `post-assistants.request.json` and the like."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

#: Where they are.
FOLDER = Path(__file__).parent


def example_of(method: str, path: str, kind: str) -> Any:
    """The contract's example of a route's `request` or `response`; None where it has none."""
    parts = [re.sub(r"\{(\w+).*\}", r"\1", part) for part in path.removeprefix("/api/").split("/")]
    file = FOLDER / f"{method.lower()}-{'-'.join(parts)}.{kind}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
