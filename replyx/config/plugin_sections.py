"""Settings of plugins: the sections `[plugin.NAME]`, checked against the table that the plugin declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from replyx.config.rows import Given, Setting, rows_of

#: What a plugin may be called: it becomes part of URLs and of environment names.
PLUGIN_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")

#: `REPLYX_PLUGIN_NAME__KEY`.
PLUGIN_ENVIRONMENT = re.compile(r"REPLYX_PLUGIN_([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)__([A-Z0-9_]+)")


def rows_of_plugin(plugin: str, settings_type: type[Any] | None) -> tuple[Setting, ...]:
    """The table of settings that a plugin declares."""
    return tuple(rows_of(f"plugin.{plugin}", settings_type)) if settings_type is not None else ()


def found_in_environment(env: Mapping[str, str]) -> dict[str, dict[str, Given]]:
    """Plugin → key → value, of every variable that has the form of a plugin's setting."""
    found: dict[str, dict[str, Given]] = {}
    for name, text in env.items():
        if match := PLUGIN_ENVIRONMENT.fullmatch(name):
            found.setdefault(match[1].lower(), {})[match[2].lower()] = Given(text, name, is_text=True)
    return found
