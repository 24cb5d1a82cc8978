"""ReplyX under a user's own systemd: every command is typed by somebody without rights, and the units are theirs."""

from __future__ import annotations

from pathlib import Path

from tests.appliance.installation import Installation
from tests.appliance.machine import Machine
from tests.appliance.root import VENV

_USER = "desk"
_HOME = f"/home/{_USER}"

#: As a shell of the user's has it, once their systemd runs.
_AS_USER = f"cd {_HOME} && exec runuser -u {_USER} -- env HOME={_HOME} XDG_RUNTIME_DIR=/run/user/$(id -u {_USER}) sh -c"


class UsersMachine(Machine):
    """The same machine, as a user without rights meets it."""

    systemctl = "systemctl --user"

    def __init__(self, machine: Machine) -> None:
        """Makes the user, whose systemd runs from now on, as `loginctl enable-linger` has it."""
        super().__init__(machine.leader)
        machine.run(f"useradd --create-home {_USER} && systemctl start user@$(id -u {_USER})")
        self.root = machine

    def run(self, command: str, *, stdin: str = "", seconds: float = 120, check: bool = True) -> str:
        """Run a shell command of the user's, at home."""
        quoted = command.replace("'", "'\\''")
        return super().run(f"{_AS_USER} '{quoted}'", stdin=stdin, seconds=seconds, check=check)

    def journal(self, unit: str) -> str:
        """What was said by and of a unit; a user without rights has no journal here."""
        return self.root.run(f"journalctl USER_UNIT={unit} + _SYSTEMD_USER_UNIT={unit} -o cat --no-pager")


class OwnInstallation(Installation):
    """What `replyx init` and `replyx systemd install --user` have made, in the user's home."""

    home = _HOME

    def __init__(self, machine: UsersMachine) -> None:
        super().__init__(machine, f"{_HOME}/replyx-data")
        self._root = machine.root

    def install(self, *flags: str, start: bool = True) -> str:
        """pip by root, for want of a second environment; the rest as the documentation has it."""
        self._root.run("pip install -q --no-index --no-deps /wheel/replyx-*.whl", seconds=300)
        self._root.run(f"chown -R {_USER} {VENV}/lib/python3*/site-packages/replyx")
        said = self.machine.run(f"replyx init --yes --admin-email you@example.com {' '.join(flags)}")
        self.machine.run("sed -i 's/^\\[limits\\]$/[limits]\\nenabled = false/' replyx.toml")
        if start:
            self.machine.run("replyx systemd install --user --now", seconds=180)
        customers = Path(__file__).with_name("customers.py").read_text(encoding="utf-8")
        self._root.run("cat > /root/customers.py", stdin=customers)
        return said
