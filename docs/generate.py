"""Writes what people read of settings and commands: docs/configuration.md, replyx.toml, docs/cli.md, docs/replyx.1."""

from __future__ import annotations

from pathlib import Path

from replyx.cli import manual, reference
from replyx.config.document import render_markdown, render_toml

REPOSITORY = Path(__file__).parents[1]

if __name__ == "__main__":
    (REPOSITORY / "docs" / "configuration.md").write_text(render_markdown(), encoding="utf-8")
    (REPOSITORY / "docs" / "cli.md").write_text(reference.render_markdown(), encoding="utf-8")
    (REPOSITORY / "docs" / "replyx.1").write_text(manual.render_man(), encoding="utf-8")
    (REPOSITORY / "replyx.toml").write_text(render_toml(), encoding="utf-8")
