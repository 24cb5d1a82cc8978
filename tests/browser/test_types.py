"""The scripts of the widget, the demo and the console hold the types that they are written with."""

from __future__ import annotations

import subprocess

from tests.browser.node import HERE, find_node, node_modules


def test_the_pages_scripts_are_sound_under_the_strictest_type_check() -> None:
    compiler = node_modules() / "typescript" / "bin" / "tsc"

    done = subprocess.run(
        [find_node(), str(compiler), "--project", str(HERE / "tsconfig.json")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
