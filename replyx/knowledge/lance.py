"""Importing LanceDB without the client of its cloud, which takes three quarters of the time and is not used here.

LanceDB imports `lance_namespace_urllib3_client`, several hundred pydantic models for catalogues in the cloud. Databases
in a folder or an object store need only the names of some of them. While LanceDB is imported those names are given by
plain holders of fields; whoever imports the client afterwards gets the real one.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

_CLIENT = "lance_namespace_urllib3_client"
_LOCK = threading.Lock()


def import_lancedb() -> Any:
    """The module `lancedb`, imported at the first call."""
    # Lance leaves two cores to reading, and on a box with three or fewer one is all that it computes on: the two
    # lookups of a search would wait for each other, though what they read is in memory.
    os.environ.setdefault("LANCE_CPU_THREADS", str(max(2, (os.cpu_count() or 2) - 2)))
    with _LOCK:
        if "lancedb" not in sys.modules and _CLIENT not in sys.modules:
            with _without_cloud():
                import lancedb
        import lancedb
    return lancedb


class _Names(MetaPathFinder, Loader):
    """Finds the client and whatever module it is asked for in it; every one has every class."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] == _CLIENT else None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__getattr__"] = _make_holder


def _make_holder(name: str) -> type[SimpleNamespace]:
    if not name[:1].isupper():
        raise AttributeError(name)
    return type(name, (SimpleNamespace,), {})


@contextmanager
def _without_cloud() -> Iterator[None]:
    finder = _Names()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == _CLIENT]:
            del sys.modules[name]
