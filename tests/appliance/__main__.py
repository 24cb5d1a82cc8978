"""`make appliance`: from `pip install` to the first answer in a booted Debian, and what its systemd does for ReplyX.

Prints a line for each thing that was tried; ends with 1 where one of them is not as it should be.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.appliance.installation import DATA_DIR, Installation
from tests.appliance.machine import Machine, booted
from tests.appliance.own_systemd import OwnInstallation, UsersMachine
from tests.appliance.root import build_wheel, make_root

#: The worst that `systemd-analyze security` may say.
_EXPOSURE = 2.0

#: The production installation: servers of Debian beside it.
_SEVERAL = (
    "--redis-url",
    "redis://127.0.0.1:6379/0",
    "--database-url",
    "postgresql://replyx:secret-7@127.0.0.1/replyx",
)

_ONE = ("replyx.service",)
_MANY = ("replyx-server.service", "replyx-worker@1.service", "replyx-worker@2.service", "replyx-bots.service")

#: A data directory of the administrator's own, which systemd does not make.
_OWN_FOLDER = "/srv/help desk/replyx"

#: Flags of `replyx init`, the services that it comes to, and the data directory; `ARGS=sqlite` tries one of them, and
#: `ARGS=user` that of a user without rights.
_INSTALLATIONS: dict[str, tuple[Sequence[str], Sequence[str], str]] = {
    "sqlite": ((), _ONE, DATA_DIR),
    "postgresql": (_SEVERAL, _MANY, _OWN_FOLDER),
}


class Sheet:
    """What was tried and how it came out."""

    def __init__(self) -> None:
        self.failed = 0

    def line(self, what: str, found: object, *, ok: bool) -> None:
        self.failed += not ok
        sys.stdout.write(f"{'ok  ' if ok else 'FAIL'}  {what}: {found}\n")
        sys.stdout.flush()


def main() -> int:
    if os.geteuid() != 0:
        sys.exit("Only root can boot a machine. Run: sudo make appliance")
    sheet, root = Sheet(), make_root()
    with tempfile.TemporaryDirectory(prefix="replyx-wheel-") as folder:
        wheel = build_wheel(Path(folder))
        for name, (flags, units, folder) in _INSTALLATIONS.items():
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            sys.stdout.write(f"— {name}, data in {folder}\n")
            with booted(root, wheel) as machine:
                _try(Installation(machine, folder), flags, units, sheet)
        if not sys.argv[1:] or "user" in sys.argv[1:]:
            sys.stdout.write("— a user's own systemd, SQLite\n")
            with booted(root, wheel) as machine:
                _try_own(OwnInstallation(UsersMachine(machine)), sheet)
    return 1 if sheet.failed else 0


def _try(installed: Installation, flags: Sequence[str], units: Sequence[str], sheet: Sheet) -> None:
    machine, began = installed.machine, time.monotonic()
    installed.install(*flags)
    installed.teach()
    answer = installed.first_answer()
    sheet.line("pip install to the first answer", f"{time.monotonic() - began:.0f} s", ok="14 days" in answer)
    again = machine.run("replyx --config /etc/replyx/replyx.toml init --yes --json && replyx systemd install --json")
    sheet.line("init and systemd install again", "nothing changed", ok=again.count('"changed": []') == 1)
    _is_in_its_folder(installed, sheet)
    for unit in (*units, *(["replyx.socket"] if units == _ONE else ["replyx-server.socket"])):
        complaints = machine.run(f"systemd-analyze verify {unit} 2>&1", check=False).strip()
        sheet.line(f"systemd-analyze verify {unit}", complaints or "clean", ok=not complaints)
    for unit in units:
        told = machine.run(f"systemd-analyze security --no-pager {unit} | tail -1")
        level = float(re.findall(r": (\d+\.\d)", told)[0])
        sheet.line(f"systemd-analyze security {unit}", level, ok=level <= _EXPOSURE)
    for unit in units:
        _dies(machine, unit, sheet)
    _hangs(machine, units, sheet)
    restart = " ".join(("restart", *units))
    _under_load(installed, "systemctl restart of every process, three times", sheet, lambda: _thrice(machine, restart))
    if units == _MANY:
        _under_load(
            installed, "a rolling restart, one process after another", sheet, lambda: _one_by_one(machine, units)
        )
    _upgrade(installed, units, sheet)
    checked = machine.run("replyx db check --json | grep -c '\"ok\": true'; replyx billing verify >/dev/null").strip()
    sheet.line("db check and billing verify at the end", "sound", ok=checked == "1")


def _try_own(installed: OwnInstallation, sheet: Sheet) -> None:
    machine, began = installed.machine, time.monotonic()
    installed.install()
    installed.teach()
    answer = installed.first_answer()
    sheet.line("pip install to the first answer", f"{time.monotonic() - began:.0f} s", ok="14 days" in answer)
    again = machine.run("replyx init --yes --json && replyx systemd install --user --json")
    sheet.line("init and systemd install again", "nothing changed", ok=again.count('"changed": []') == 1)
    complaints = machine.run(f"systemd-analyze --user verify {' '.join(_ONE)} 2>&1", check=False).strip()
    sheet.line("systemd-analyze verify", complaints or "clean", ok=not complaints)
    states = machine.run("replyx systemd status --user --json", check=False)
    sheet.line("replyx systemd status --user", "active", ok='"inactive"' not in states and '"active"' in states)
    for unit in _ONE:
        _dies(machine, unit, sheet)
    _hangs(machine, _ONE, sheet)
    restart = " ".join(("restart", *_ONE))
    _under_load(installed, "systemctl restart, three times", sheet, lambda: _thrice(machine, restart))
    _upgrade(installed, _ONE, sheet)
    checked = machine.run("replyx db check --json | grep -c '\"ok\": true'; replyx billing verify >/dev/null").strip()
    sheet.line("db check and billing verify at the end", "sound", ok=checked == "1")


def _is_in_its_folder(installed: Installation, sheet: Sheet) -> None:
    """What was uploaded lies where `init` was told, belongs to the units' user, and nothing lies elsewhere."""
    run, folder = installed.machine.run, f'"{installed.data_dir}/"'
    owners = run(f"find {folder} -user root | wc -l").strip()
    sheet.line("files that the service cannot have, after commands of root", owners, ok=owners == "0")
    uploads = run(f"find {folder}uploads -type f | wc -l").strip()
    elsewhere = "0"
    if installed.data_dir != DATA_DIR:
        elsewhere = run(f"find {DATA_DIR}/ -type f | wc -l").strip()
    found = f"{uploads} uploaded, {elsewhere} elsewhere"
    sheet.line(f"files in {installed.data_dir}", found, ok=uploads == "1" and elsewhere == "0")


def _dies(machine: Machine, unit: str, sheet: Sheet) -> None:
    before = machine.property(unit, "MainPID")
    began = time.monotonic()
    machine.run(f"kill -9 {before}")
    machine.wait_until(f"case $({machine.systemctl} show --value -p MainPID {unit}) in 0|{before}) exit 1;; esac")
    machine.wait_until(f"{machine.systemctl} is-active -q {unit}")
    sheet.line(f"kill -9 of {unit}", f"back and ready in {time.monotonic() - began:.1f} s", ok=True)


def _hangs(machine: Machine, units: Sequence[str], sheet: Sheet) -> None:
    """All at once: the watchdog takes its time."""
    began = time.monotonic()
    before = {unit: machine.property(unit, "MainPID") for unit in units}
    for pid in before.values():
        machine.run(f"kill -STOP {pid}")
    for unit, pid in before.items():
        machine.wait_until(f"[ $({machine.systemctl} show --value -p MainPID {unit}) != {pid} ]", 150)
        machine.wait_until(f"{machine.systemctl} is-active -q {unit}")
        is_watched = "Watchdog timeout" in machine.journal(unit)
        found = f"killed by the watchdog, ready after {time.monotonic() - began:.0f} s"
        sheet.line(f"SIGSTOP of {unit}", found, ok=is_watched)


def _under_load(installed: Installation, what: str, sheet: Sheet, act: Callable[[], None]) -> None:
    with installed.customers(8) as seen:
        time.sleep(2)
        act()
        time.sleep(2)
    ok = not seen["errors"] and seen["lost"] == 0 and seen["doubled"] == 0
    figures = ", ".join(f"{name} {seen[name]}" for name in ("asked", "lost", "doubled", "slowest"))
    sheet.line(f"{what}, 8 customers", f"{figures} s, errors {len(seen['errors'])} {seen['errors'][:2] or ''}", ok=ok)


def _thrice(machine: Machine, restart: str) -> None:
    for _ in range(3):
        machine.run(f"{machine.systemctl} {restart}", seconds=180)
        time.sleep(1)


def _one_by_one(machine: Machine, units: Sequence[str]) -> None:
    for unit in units:
        machine.run(f"{machine.systemctl} restart {unit}", seconds=180)
        time.sleep(1)


def _upgrade(installed: Installation, units: Sequence[str], sheet: Sheet) -> None:
    """The program of another version is put in place while customers talk."""
    machine = installed.machine
    init = machine.run("python -c 'import replyx; print(replyx.__file__)'").strip()

    def act() -> None:
        machine.run(f"sed -i 's/^__version__ = .*/__version__ = \"99.0\"/' {init}")
        planned = machine.run("replyx upgrade --dry-run --json")
        sheet.line("replyx upgrade --dry-run names every unit", len(units), ok=all(unit in planned for unit in units))
        machine.run("replyx upgrade --json", seconds=300)

    _under_load(installed, "replyx upgrade", sheet, act)
    left = machine.run("replyx upgrade --dry-run --json")
    sheet.line("replyx upgrade again", "nothing to do", ok='"needed": false' in left)


if __name__ == "__main__":
    sys.exit(main())
