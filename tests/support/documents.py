"""Real documents: the Debian FAQ as PDF, in two languages."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Literal

import pytest

REPOSITORY = Path(__file__).parents[2]
_BESIDE = REPOSITORY.parent / "shared" / "data"
_DEBIAN = Path("/usr/share/doc/debian/FAQ")
_UNPACKED: dict[str, Path] = {}


def faq_pdf(language: Literal["ru", "en"]) -> Path:
    """The Debian FAQ; fails the test with the command to run where it is nowhere to be found."""
    name = f"debian-faq.{language}.pdf"
    for folder in (_BESIDE, _DEBIAN):
        if (folder / name).is_file():
            return folder / name
    packed = _DEBIAN / f"{name}.gz"
    if not packed.is_file():
        pytest.fail(f"{name} is not installed. Run: apt-get install debian-faq debian-faq-ru", pytrace=False)
    if name not in _UNPACKED:
        _UNPACKED[name] = Path(tempfile.mkdtemp(prefix="replyx-faq-")) / name
        _UNPACKED[name].write_bytes(gzip.decompress(packed.read_bytes()))
    return _UNPACKED[name]
