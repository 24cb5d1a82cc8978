"""The table of settings as people read it: docs/configuration.md, a fresh replyx.toml, `replyx config show`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from replyx.config.rows import Setting
from replyx.config.settings import Config, all_settings


def shown(config: Config, row: Setting) -> Any:
    """The setting's value, or `[secret]` where it is one and set."""
    value = getattr(getattr(config, row.section), row.key)
    return "[secret]" if row.secret and value else value


def toml_value(value: Any) -> str:
    """`value` as TOML: our types are strings, numbers, booleans and lists of strings."""
    return json.dumps(value, ensure_ascii=False)


def render_markdown() -> str:
    """The whole of docs/configuration.md."""
    out = [
        "# Configuration",
        "",
        "Settings come from, later ones winning: the defaults below, `replyx.toml` (`--config PATH`, else",
        "`REPLYX_CONFIG`, `./replyx.toml`, `/etc/replyx/replyx.toml`), the environment, flags. A secret may stand",
        'in a file of its own: `url_file = "/run/secrets/db"` in place of `url`, or `REPLYX_DATABASE__URL_FILE`.',
        'In the environment a list is written `a, b` or `["a", "b"]`.',
        "`replyx config show` prints what is in force and where it came from, `replyx config check` what is wrong.",
        "",
        "This page is written from the table in `replyx/config/settings.py` by `make docs`; a test compares them.",
    ]
    section = ""
    for row in all_settings():
        if row.section != section:
            section = row.section
            out += ["", f"## [{section}]", "", "| setting | default | environment | meaning |", "|---|---|---|---|"]
        note = " Secret." if row.secret else ""
        out.append(f"| `{row.key}` | `{toml_value(row.default)}` | `{row.environment}` | {row.sentence}{note} |")
    return "\n".join(out) + "\n"


def render_toml(values: Mapping[str, Any] | None = None) -> str:
    """A replyx.toml with every setting commented out at its default, but for `values` (`section.key` → value)."""
    given = values or {}
    out = ["# ReplyX settings. Every line shows its default; uncomment to change. Meaning: docs/configuration.md"]
    section = ""
    for row in all_settings():
        if row.section != section:
            section = row.section
            out += ["", f"[{section}]"]
        out.append(f"# {row.sentence}")
        is_given = row.name in given
        value = given[row.name] if is_given else row.default
        out.append(f"{'' if is_given else '#'}{row.key} = {toml_value(value)}")
    return "\n".join(out) + "\n"
