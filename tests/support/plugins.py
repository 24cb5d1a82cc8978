"""Plugins of the tests' own, written into a data directory."""

from __future__ import annotations

import re
from pathlib import Path

from replyx.config.settings import Config
from replyx.plugins.finding import load_plugins
from replyx.plugins.host import Host, Known
from tests.support.clock import MovableClock
from tests.support.documents import REPOSITORY

_HEAD = '''"""A plugin of a test."""
from __future__ import annotations
import threading
from dataclasses import dataclass
from replyx.config.settings import setting
from replyx.plugins.hooks import *
from replyx.plugins.payments import *
from replyx.plugins.uploads import *
'''


def write_plugin(data_dir: Path, name: str, source: str) -> Path:
    """`data_dir/plugins/NAME.py` with `source` below the imports that plugins need."""
    file = data_dir / "plugins" / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_HEAD + source, encoding="utf-8")
    return file


def write_example(data_dir: Path, name: str = "tickets") -> Path:
    """The plugin of docs/plugins.md whose place is `DATA_DIR/plugins/NAME.py`, put there."""
    page = (REPOSITORY / "docs" / "plugins.md").read_text("utf-8")
    (source,) = re.findall(rf"plugins/{name}\.py`.*?```python\n(.*?)```", page, re.DOTALL)
    file = write_plugin(data_dir, name, "")
    file.write_text(source, encoding="utf-8")
    return file


def load(config: Config) -> Host:
    return load_plugins(config, MovableClock())


def found(host: Host, name: str) -> Known:
    return next(one for one in host.known if one.name == name)
