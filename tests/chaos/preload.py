"""Small C libraries that stand before the C library's own functions in processes of ReplyX."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def compiled(folder: Path, name: str, source: str) -> Path:
    """The library of `source`, for LD_PRELOAD. Fails the test where there is no compiler."""
    library = folder / f"{name}.so"
    if not library.exists():
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.fail("cc is not installed. Run: apt-get install gcc", pytrace=False)
        written = folder / f"{name}.c"
        written.write_text(source, encoding="ascii")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(written), "-ldl"], check=True)
    return library
