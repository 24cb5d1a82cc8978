"""Loaded by every Python process that a test starts: puts up the guard of tests/support/guard.py."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("replyx_test_guard", Path(__file__).parent.parent / "guard.py")
if _spec and _spec.loader:
    _guard = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_guard)
    _guard.install()
