"""The machine's root file system: Debian with what ReplyX stands on, and the wheel's dependencies; made once, kept."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

from tests.support.documents import REPOSITORY
from tests.support.programs import find_program

CACHE = REPOSITORY / ".cache" / "appliance"

#: What Debian gives to the machine: systemd as on a server, Python, and the servers of a production installation.
PACKAGES = (
    "systemd", "systemd-sysv", "libpam-systemd", "dbus", "python3", "python3-venv", "redis-server", "postgresql",
    "nginx-light", "iproute2",
)  # fmt: skip

#: Where pip installs to, as docs/operations.md has it.
VENV = "/opt/replyx"


def make_root() -> Path:
    """A root with Debian and the locked dependencies; made where there is none for this lock."""
    lock = REPOSITORY / "requirements.lock"
    mark = hashlib.sha256(f"{PACKAGES}{lock.read_text()}".encode()).hexdigest()[:12]
    root, stamp = CACHE / "root", CACHE / "root-made"
    if stamp.is_file() and stamp.read_text() == mark:
        return root
    stamp.unlink(missing_ok=True)
    _bootstrap(root)
    _install(root, lock)
    stamp.write_text(mark)
    return root


def build_wheel(folder: Path) -> Path:
    """This checkout as pip would build it."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "-w", str(folder), str(REPOSITORY)], check=True)
    (built,) = folder.glob("replyx-*.whl")
    return built


def _bootstrap(root: Path) -> None:
    mark, stamp = ",".join(PACKAGES), CACHE / "debian-made"
    if stamp.is_file() and stamp.read_text() == mark:
        return
    shutil.rmtree(root, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    suite, mirror = _debian()
    debootstrap = [find_program("debootstrap"), "--variant=minbase", f"--include={mark}", suite, str(root), mirror]
    with (CACHE / "debootstrap.log").open("w") as log:
        subprocess.run(debootstrap, check=True, stdout=log, stderr=log)
    # Empty: each boot is a machine of its own.
    (root / "etc" / "machine-id").write_text("")
    stamp.write_text(mark)


def _debian() -> tuple[str, str]:
    """The suite of this machine, and where its own apt takes it from."""
    suite = re.findall(r"^VERSION_CODENAME=(.*)$", Path("/etc/os-release").read_text(), re.MULTILINE)[0]
    form = ["--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)"]
    told = subprocess.run(["apt-get", "indextargets", *form], capture_output=True, text=True, check=True).stdout
    mirrors = [line.split()[2] for line in told.splitlines() if line.split()[:2] == [suite, "main"]]
    return suite, mirrors[0]


def _install(root: Path, lock: Path) -> None:
    """The dependencies, from wheels that this machine's pip brought; the new machine has no network."""
    wheels, wanted = CACHE / "wheels", CACHE / "wanted.txt"
    wheels.mkdir(exist_ok=True)
    shutil.rmtree(root / VENV.removeprefix("/"), ignore_errors=True)
    subprocess.run(["chroot", str(root), "python3", "-m", "venv", VENV], check=True)
    wanted.write_text(_for_python_of(root, lock.read_text()))
    version = _inside(root, "import platform; print(platform.python_version())").strip()
    fetch = ["download", "-qq", "--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", version]
    subprocess.run([sys.executable, "-m", "pip", *fetch, "-r", str(wanted), "-d", str(wheels)], check=True)
    shutil.copy(wanted, root / "tmp" / "wanted.txt")
    with _bound(wheels, root / "wheels"):
        pip = ["chroot", str(root), f"{VENV}/bin/python", "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "--find-links", "/wheels", "-r", "/tmp/wanted.txt"], check=True)


def _for_python_of(root: Path, lock: str) -> str:
    """The lines of the lock whose markers are true for the Python of the new machine, without the markers."""
    tell = "import json, pip._vendor.packaging.markers as markers; print(json.dumps(markers.default_environment()))"
    there = json.loads(_inside(root, tell))
    kept = []
    for block in re.split(r"\n(?=[a-z0-9])", re.sub(r"^\s*#.*\n", "", lock, flags=re.MULTILINE)):
        requirement = Requirement(block.split(" \\\n")[0].strip())
        if requirement.marker is None or requirement.marker.evaluate(there):
            kept.append(re.sub(r" ;[^\\\n]*", "", block))
    return "\n".join(kept)


def _inside(root: Path, program: str) -> str:
    python = ["chroot", str(root), f"{VENV}/bin/python"]
    return subprocess.run([*python, "-c", program], capture_output=True, text=True, check=True).stdout


@contextmanager
def _bound(folder: Path, place: Path) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(folder), str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)
