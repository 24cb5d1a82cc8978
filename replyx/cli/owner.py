"""Root's commands on data of another user, such as the one that systemd makes: they act as that user.

What root would write, as an uploaded document, the service could not read. The way there, /var/lib/private, is open to
root alone, hence two of root's rights are kept: to pass folders and files whatever their modes. access(2) knows nothing
of them; what reads a file tries to, and does not ask before (`readable=False`).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from replyx.errors import ConfigError

#: Rights that are kept; nothing else of root is.
_KEPT = "+dac_override,+dac_read_search"

#: Commands that need the rest of root: they speak with systemd.
_OF_ROOT = ("systemd", "upgrade")


def act_as_owner(config_path: str | None, data_dir: str | None, command: str | None) -> None:
    """Begin this command anew as the owner of the data directory, where that is neither root nor us."""
    if os.geteuid() != 0 or command is None or command in _OF_ROOT:
        return
    owner = _owner_of(config_path, data_dir)
    setpriv = shutil.which("setpriv")
    if owner is None or setpriv is None:
        return
    user, group = owner
    sys.stdout.flush()
    options = [
        f"--reuid={user}",
        f"--regid={group}",
        "--clear-groups",
        f"--inh-caps={_KEPT}",
        f"--ambient-caps={_KEPT}",
    ]
    os.execv(setpriv, [setpriv, *options, "--", sys.executable, "-m", "replyx", *sys.argv[1:]])  # noqa: S606 - no shell


def give_to_owner(folder: Path) -> None:
    """Hand what root has written right into `folder`, and into its backups, to the owner of `folder`."""
    whose = folder.stat()
    if os.geteuid() != 0 or whose.st_uid == 0:
        return
    for place in (folder, folder / "backups"):
        for path in [place, *place.iterdir()] if place.is_dir() else ():
            if path.lstat().st_uid == 0:
                os.chown(path, whose.st_uid, whose.st_gid, follow_symlinks=False)


def _owner_of(config_path: str | None, data_dir: str | None) -> tuple[int, int] | None:
    from replyx.config.loading import load_config

    values = {"paths.data_dir": data_dir} if data_dir is not None else {}
    try:
        folder = load_config(config_path, overrides=values).data_dir
        found = folder.stat()
    except (ConfigError, OSError):
        # The command itself tells what is wrong with the settings, and makes a directory that is not there.
        return None
    return (found.st_uid, found.st_gid) if found.st_uid != 0 else None
