"""Node's packages for the browser tests, installed once from the lock into the checkout's cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import REPOSITORY

HERE = Path(__file__).parent


def find_node(name: str = "node") -> str:
    """The path of `node` or `npm`; fails the test with the command to run where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed. Run: apt-get install nodejs npm", pytrace=False)
    return found


def node_modules() -> Path:
    """The folder that `npm ci` makes of the lock; fails the test with npm's words where it cannot."""
    lock = HERE / "package-lock.json"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = REPOSITORY / ".cache" / f"browser-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as turn:
        # Tests of several processes may come here at the same time.
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder / name)
            _install(folder)
            (folder / "done").touch()
    return folder / "node_modules"


def _install(folder: Path) -> None:
    command = [find_node("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        pytest.fail(f"npm could not install what browser tests need:\n{done.stderr[-2000:]}", pytrace=False)
