"""What pip installs is whole: the program, its pages, migrations, units and bundled plugins, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.documents import REPOSITORY
from tests.support.processes import Box

#: Where the wheel puts what stands outside `replyx/` here.
_MOVED = {"deploy/systemd/": "replyx/deploy/systemd/", "plugins/": "replyx/bundled_plugins/"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout as pip would build it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PIP_CONFIG_FILE": os.devnull}
    subprocess.run([*pip, "-w", str(folder), str(REPOSITORY)], check=True, env=environment)
    (built,) = folder.glob("replyx-*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_program_and_no_other(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "replyx", *_MOVED], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    expected = {_place(name) for name in tracked if (REPOSITORY / name).exists()}

    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert expected - packed == set()
    beside = {name.partition(".data/")[2] for name in packed if not name.startswith("replyx/")}
    assert beside == {"data/share/man/man1/replyx.1"}


def test_the_wheel_runs_without_the_checkout(wheel: Path, box: Box) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(box.folder / "installed")
    box.environment["PYTHONPATH"] = str(box.folder / "installed")

    where = box.start_python("-c", "import replyx; print(replyx.__file__)").wait()
    version = box.run("--version")

    assert where.out.strip() == str(box.folder / "installed" / "replyx" / "__init__.py")
    assert (version.code, version.out.split()[0]) == (0, "replyx")


def test_the_bundled_plugins_are_found_in_the_wheel(wheel: Path, box: Box) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(box.folder / "installed")
    box.environment["PYTHONPATH"] = str(box.folder / "installed")

    rows = json.loads(box.run("plugins", "list", "--json").out)

    folder = box.folder / "installed" / "replyx" / "bundled_plugins"
    names = ("clamav", "manual", "stripe", "tesseract", "yookassa")
    expected = {(name, str(folder / f"{name}.py"), "loaded") for name in names}
    assert {(row["name"], row["where"], row["state"]) for row in rows} == expected


def _place(name: str) -> str:
    for here, there in _MOVED.items():
        if name.startswith(here):
            return there + name.removeprefix(here)
    return name
