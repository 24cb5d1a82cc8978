"""The language that the command line speaks to people in: Russian where the locale is Russian, else English."""

from __future__ import annotations

import os


def language() -> str:
    """`ru` or `en`: `REPLYX_LANG` decides, then the locale as POSIX has it (LC_ALL, LC_MESSAGES, LANG)."""
    found = next((value for name in _VARIABLES if (value := os.environ.get(name))), "")
    return "ru" if found.lower().startswith("ru") else "en"


def choose(ru: str, en: str) -> str:
    """The one of two sentences that is in the user's language."""
    return ru if language() == "ru" else en


_VARIABLES = ("REPLYX_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
