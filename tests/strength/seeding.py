"""A copy of the package with one fault in it, and whether its tests see that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.strength.bugs import Bug
from tests.support.documents import REPOSITORY
from tests.support.programs import dying_with_us

#: What tests need of the repository.
_PARTS = ("replyx", "tests", "plugins")

#: pytest's exit code where tests failed: anything else is no verdict.
_FAILED = 1


class Seedbed:
    """One copy of the repository; a fault is put into it for one run of tests, and taken out again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in _PARTS:
            shutil.copytree(REPOSITORY / part, folder / part, copy_function=_link, symlinks=True)
        shutil.copy2(REPOSITORY / "pyproject.toml", folder)

    def is_seen(self, bug: Bug) -> tuple[bool, str]:
        """Whether the bug's tests fail with it, and what pytest said.

        Raises:
            ValueError: the code has changed, and an edit of the bug fits no more.
        """
        originals = {edit.file: self._read(edit.file) for edit in bug.edits}
        try:
            for file, text in planted(bug, originals).items():
                self._write(file, text)
            done = self._test(bug.tests)
        finally:
            for file, text in originals.items():
                self._write(file, text)
        return done.returncode == _FAILED, done.stdout + done.stderr

    def _test(self, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
        pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
        return subprocess.run(
            dying_with_us([*pytest, *tests], "KILL"),
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(self._folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    def _read(self, file: str) -> str:
        return (self._folder / file).read_text(encoding="utf-8")

    def _write(self, file: str, text: str) -> None:
        """A file of its own: the one that stands there is the repository's, under another name."""
        path = self._folder / file
        path.unlink()
        path.write_text(text, encoding="utf-8")


def planted(bug: Bug, originals: dict[str, str]) -> dict[str, str]:
    """Each file's text with the bug in it.

    Raises:
        ValueError: what is to be replaced does not stand in its file, or more than once.
    """
    texts = dict(originals)
    for edit in bug.edits:
        if texts[edit.file].count(edit.old) != 1:
            raise ValueError(f"{bug.name}: {edit.file} has not, or more than once: {edit.old}")
        texts[edit.file] = texts[edit.file].replace(edit.old, edit.new)
    return texts


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system.
        shutil.copy2(source, target)
