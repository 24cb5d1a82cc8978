"""`replyx systemd`: the units of deploy/systemd with this installation's paths: shown, installed, looked at."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from replyx.config.settings import Config

app = group("Units for systemd.")

OfUser = Annotated[bool, typer.Option("--user", help="For a user's own systemd, without root.")]

#: What systemd makes of `StateDirectory=replyx`.
_STATE_DIRECTORY = Path("/var/lib/replyx")

#: The line with the data directory, and the one with the settings that systemd hands over.
_DATA_DIR = re.compile(r'^Environment="?REPLYX_DATA_DIR=.*$', re.MULTILINE)
_SETTINGS = "Environment=REPLYX_CONFIG=%d/replyx.toml"

#: What the units cannot see, as they are written.
_UNSEEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108

#: What a user's own systemd cannot give: another user, the machine's directories, namespaces.
_ROOTS_OWN = re.compile(
    r"^(DynamicUser|User|StateDirectory\w*|Protect\w+|Private\w+|Restrict(?!Prevent)\w+|CapabilityBoundingSet|AmbientCapabilities"
    r"|SystemCall\w+|KeyringMode|RemoveIPC|MemoryDenyWriteExecute|LockPersonality|ReadWritePaths|ExecStartPre|LoadCredential|Nice|OOMPolicy)="
)


@app.command("print")
def print_units(
    ctx: typer.Context,
    unit: Annotated[
        str | None, typer.Argument(metavar="UNIT", help="Such as replyx-server.service; else all.", show_default=False)
    ] = None,
    user: OfUser = False,
) -> None:
    """Print the units with this installation's paths."""
    from replyx.cli.output import line
    from replyx.errors import NotFound

    units = units_of(ctx.obj.load(), of_user=user)
    if unit is not None and unit not in units:
        known = ", ".join(sorted(units))
        raise NotFound(f"Нет юнита {unit}. Есть: {known}", f"No unit {unit}. There are: {known}")
    for name in sorted(units) if unit is None else [unit]:
        if unit is None:
            line(f"# ---- {_folder_for(of_user=user) / name}")
        line(units[name])


@app.command()
def install(
    ctx: typer.Context,
    user: OfUser = False,
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Else systemd's own folder.", show_default=False)
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Start them, and with every start of the machine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the units; run again it changes what differs. One process without Redis, else one for each role."""
    from replyx.cli.output import hint, print_json, say

    config = ctx.obj.load()
    own = _own_data_directory(config)
    if own is not None and not user and to is None:
        require_seen(own)
    units = units_of(config, of_user=user)
    folder = _folder_for(of_user=user) if to is None else to
    changed = _written(folder, units)
    if own is not None:
        # A unit that names a directory which is not there does not start.
        own.mkdir(parents=True, exist_ok=True, mode=0o700)
    systemctl = ["systemctl", *(["--user"] if user else [])]
    main = "replyx.target" if "replyx.target" in units else "replyx.service"
    if to is None and shutil.which("systemctl"):
        _run([*systemctl, "daemon-reload"])
        if now:
            _run([*systemctl, "enable", "--now", *sorted(units.keys() - {"replyx-worker@.service"})])
    if as_json:
        print_json({"folder": str(folder), "units": sorted(units), "changed": changed})
        return
    say(
        f"{folder}: юнитов {len(units)}, изменено {len(changed)}",
        f"{folder}: {len(units)} units, {len(changed)} changed",
    )
    if not now:
        command = " ".join([*systemctl, "enable", "--now", main])
        hint(f"Запустить: {command}", f"To start: {command}")
    if user:
        hint(
            "Чтобы работали и после выхода из системы: loginctl enable-linger",
            "So that they go on when you log out: loginctl enable-linger",
        )


@app.command("status")
def show_status(ctx: typer.Context, user: OfUser = False, as_json: AsJson = False) -> None:
    """Show what systemd says of each unit."""
    from replyx.cli.exits import ExitCode
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_table

    names = sorted(units_of(ctx.obj.load(), of_user=user))
    if "replyx-worker@.service" in names:
        names[names.index("replyx-worker@.service")] = "replyx-worker@1.service"
    rows = [_state(name, of_user=user) for name in names]
    if as_json:
        print_json(rows)
    else:
        columns = choose("юнит,состояние,подробно,включён", "unit,state,detail,enabled").split(",")
        print_table(columns, [(row["unit"], row["active"], row["sub"], row["enabled"]) for row in rows])
    if any(row["active"] not in ("active", "reloading") for row in rows):
        raise typer.Exit(ExitCode.EXIT_FAILED)


def units_of(config: Config, *, of_user: bool) -> dict[str, str]:
    """Name → text of the units that this installation needs: one service where it is one process, else one a role."""
    kept = (".service", ".socket", ".target")
    found = {file.name: file.read_text(encoding="utf-8") for file in _folder().iterdir() if file.name.endswith(kept)}
    if config.is_embedded:
        socket = found["replyx-server.socket"]
        found = {"replyx.service": _one_process(found["replyx-server.service"]), "replyx.socket": _own_socket(socket)}
    made = {name: _with_paths(text, config) for name, text in found.items()}
    return {name: _for_user(text, config) for name, text in made.items()} if of_user else made


def _one_process(server: str) -> str:
    """The server's unit for `replyx up`: nothing beside it."""
    text = _alone(server).replace("replyx-server.socket", "replyx.socket")
    text = re.sub(r"\A# .*", "# ReplyX in one process: server, worker and bots.", text)
    text = re.sub(r"^Description=.*$", "Description=ReplyX support desk", text, flags=re.MULTILINE)
    text = text.replace("/usr/bin/env replyx server", "/usr/bin/env replyx up")
    return text.replace("WantedBy=replyx.target", "WantedBy=multi-user.target")


def _own_socket(socket: str) -> str:
    """The socket of `replyx.service`."""
    return _alone(socket).replace("Description=ReplyX server: its address", "Description=ReplyX: its address")


def _alone(text: str) -> str:
    """Without the target that holds several units together."""
    return re.sub(r"^# Stopped (and restarted )?together.*\nPartOf=.*\n", "", text, flags=re.MULTILINE)


def _for_user(text: str, config: Config) -> str:
    """Without what only root's systemd can do, and the reasons of those lines."""
    text = _DATA_DIR.sub(lambda _: _environment("REPLYX_DATA_DIR", config.data_dir), text)
    # A user's own systemd reads what the user may read.
    text = re.sub(r"^# Where it puts them\.\n", "", text, flags=re.MULTILINE)
    if config.path is not None:
        text = text.replace(_SETTINGS, _environment("REPLYX_CONFIG", config.path.resolve()))
    lines: list[str] = []
    for line in text.splitlines():
        if _ROOTS_OWN.match(line):
            while lines and lines[-1].startswith("#"):
                lines.pop()
            continue
        lines.append(line)
    return "\n".join(lines).replace("WantedBy=multi-user.target", "WantedBy=default.target")


def _folder_for(*, of_user: bool) -> Path:
    if not of_user:
        return Path("/etc/systemd/system")
    own = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(own) / "systemd" / "user"


def _written(folder: Path, units: dict[str, str]) -> list[str]:
    """Write what differs; returns the names."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in sorted(units.items()):
        path, content = folder / name, f"{text}\n"
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        draft = path.with_name(f".{name}.part")
        draft.write_text(content, encoding="utf-8")
        draft.replace(path)
        changed.append(name)
    return changed


def _run(command: list[str]) -> None:
    """Raises ConfigError: systemd refuses, or none of that kind runs. The units are written by then."""
    from replyx.errors import ConfigError

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()[-1:] or [str(done.returncode)]
        why = f"{' '.join(command)}: {told[0]}"
        raise ConfigError(
            f"Юниты записаны, но systemd отказал. {why}", f"The units are written, but systemd refused. {why}"
        )


def _state(unit: str, *, of_user: bool) -> dict[str, str]:
    scope = ["--user"] if of_user else []
    wanted = "ActiveState,SubState,UnitFileState"
    command = ["systemctl", *scope, "show", unit, f"--property={wanted}"]
    told: dict[str, str] = {}
    if shutil.which("systemctl"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return {
        "unit": unit,
        "active": told.get("ActiveState") or "unknown",
        "sub": told.get("SubState") or "",
        "enabled": told.get("UnitFileState") or "",
    }


def _folder() -> Traversable:
    """Where the units are: inside the installed package, or beside it in a checkout."""
    installed = files("replyx") / "deploy" / "systemd"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "deploy" / "systemd"


def _settings(path: Path) -> str:
    return (
        "# systemd reads the settings as root and hands them over, so that the file can stay root's alone.\n"
        f"LoadCredential=replyx.toml:{path.resolve()}\n"
        "# Where it puts them.\n"
        f"{_SETTINGS}"
    )


def _environment(name: str, path: Path) -> str:
    return f"Environment={_word(f'{name}={path}')}"


def _word(text: str) -> str:
    """One word for systemd, whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _own_data_directory(config: Config) -> Path | None:
    """The data directory where it is another than systemd's; not resolved, as systemd makes a link of its own."""
    folder = Path(config.paths.data_dir).expanduser().absolute()
    return folder if "paths.data_dir" in config.origin and folder != _STATE_DIRECTORY else None


def require_seen(folder: Path) -> None:
    """Raises ConfigError for a data directory that does not exist for a service: people's homes, and /tmp."""
    from replyx.errors import ConfigError

    if any(folder.is_relative_to(unseen) for unseen in _UNSEEN):
        raise ConfigError(
            f"Служба не видит {folder}: домашние каталоги и /tmp для неё закрыты. "
            "Возьмите другой, как /srv/replyx, или replyx systemd install --user",
            f"A service cannot see {folder}: people's homes and /tmp are closed to it. "
            "Take another, such as /srv/replyx, or replyx systemd install --user",
        )


def _given(folder: Path) -> str:
    """A data directory of one's own, which systemd does not give to the user that it makes: the start does."""
    chown = "chown --recursive --no-dereference --preserve-root --reference=%S/replyx/."
    return (
        f"ReadWritePaths={_word(str(folder))}\n"
        "# As root (+), to the owner of the directory that systemd has made for the unit's user.\n"
        f"ExecStartPre=+/usr/bin/env {chown} {_word(str(folder).replace('$', '$$'))}"
    )


def _with_paths(text: str, config: Config) -> str:
    address = f"{config.server.host}:{config.server.port}"
    text = re.sub(r"^(ListenStream=).*$", rf"\g<1>{address}", text, flags=re.MULTILINE)
    program = Path(sys.argv[0]).resolve() if sys.argv[0].endswith("replyx") else Path(sys.executable).parent / "replyx"
    text = re.sub(r"^(Environment=PATH=)[^:\n]+", rf"\g<1>{program.parent}", text, flags=re.MULTILINE)
    if (folder := _own_data_directory(config)) is not None:
        text = _DATA_DIR.sub(lambda _: _environment("REPLYX_DATA_DIR", folder), text)
        given = _given(folder)
        text = re.sub(r"^StateDirectory=replyx$", lambda found: f"{found[0]}\n{given}", text, flags=re.MULTILINE)
    if config.path is not None:
        settings = _settings(config.path)
        text = _DATA_DIR.sub(lambda found: f"{found[0]}\n{settings}", text)
    return text.rstrip(os.linesep)
