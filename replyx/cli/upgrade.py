"""`replyx upgrade`: check, back up, migrate, restart after pip has brought a new program; back where that fails."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated, Any

import typer

from replyx.cli.commands import single
from replyx.cli.flags import AsJson

if TYPE_CHECKING:
    from replyx.backup.upgrading import Plan, Upgraded
    from replyx.cli.findings import Finding
    from replyx.config.settings import Config

app = single()

#: Bytes that stay free beside what an upgrade needs.
_SPARE = 256 << 20

#: What is said when a step begins.
_STEPS = {
    "stop": ("останавливаю юниты", "stopping the units"),
    "backup": ("делаю копию базы", "backing the database up"),
    "migrate": ("обновляю базу", "migrating the database"),
    "start": ("запускаю юниты", "starting the units"),
    "back": ("возвращаю прежнюю базу", "putting the earlier database back"),
}


@app.command()
def upgrade(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database and the running units to the program that pip has installed.

    Checks, stops the units, backs the database up, migrates it in one step, starts the units; where they do not start
    the database is put back. Broken off in the middle, the next call goes on. Who calls the server meanwhile waits.
    """
    from replyx.backup.upgrading import Upgrade
    from replyx.cli.exits import ExitCode
    from replyx.cli.findings import has_fault, print_findings
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_json
    from replyx.cli.owner import give_to_owner
    from replyx.cli.units import SystemdUnits
    from replyx.clock import SystemClock

    def told(step: str) -> None:
        if step == "start":
            give_to_owner(config.data_dir)
        if plan.units or step not in ("stop", "start"):
            hint(*(f"{words} …" for words in _STEPS[step]))

    config = ctx.obj.load()
    _require_installed(config)
    checks = _checks(config)
    if has_fault(checks):
        print_findings(checks, as_json=as_json)
        hint("Ничего не изменено.", "Nothing was changed.")
        raise typer.Exit(ExitCode.EXIT_FAILED)
    work = Upgrade(config, SystemdUnits(), SystemClock(), told)
    plan = work.plan()
    room = _room(plan)
    if room is not None:
        print_findings([room], as_json=as_json)
        raise typer.Exit(ExitCode.EXIT_FAILED)
    if dry_run or not plan.is_needed:
        if as_json:
            print_json({"needed": plan.is_needed, "done": False, **_as_json(plan)})
        else:
            _show(plan)
        return
    if plan.unfinished:
        what = choose(*_STEPS[plan.unfinished])
        hint(f"Прошлое обновление прервано: {what}; продолжаю", f"An upgrade was broken off: {what}; going on")
    try:
        done = work.run()
    finally:
        give_to_owner(config.data_dir)
    if as_json:
        print_json({"needed": True, "done": True, **_as_json(plan), "backup": done.backup, "resumed": done.resumed})
    else:
        _say_done(done)


def _require_installed(config: Config) -> None:
    """Looking for a database must not make one.

    Raises:
        ConfigError: there is none yet.
    """
    from replyx.errors import ConfigError

    if not config.data_dir.exists():
        raise ConfigError(
            f"Нечего обновлять: нет {config.data_dir}. Начните с: replyx init; или укажите --config, --data-dir",
            f"Nothing to upgrade: no {config.data_dir}. Begin with: replyx init; or give --config, --data-dir",
        )


def _checks(config: Config) -> list[Finding]:
    """What must be right before anything is begun: the settings were read; the keys, the database, the ledger."""
    from replyx.cli.checking_database import database_findings
    from replyx.cli.checking_machine import essential_findings
    from replyx.cli.findings import State

    # A schema that waits for migrations is what is to be mended here.
    found = [*essential_findings(config), *database_findings(config, thorough=True, outdated_is_fault=False)]
    return [one for one in found if one.state is not State.WARN]


def _room(plan: Plan) -> Finding | None:
    """For the backup and for the changed tables beside the old ones; None where there is enough."""
    from replyx.cli.findings import fault

    folder = next(parent for parent in plan.backup.parents if parent.exists())
    free, needed = shutil.disk_usage(folder).free, _SPARE + 2 * plan.database_bytes
    if free >= needed or not plan.pending:
        return None
    return fault(
        "disk",
        f"{folder}: свободно {free >> 20} МиБ, нужно {needed >> 20}",
        f"{folder}: {free >> 20} MiB free, {needed >> 20} needed",
        f"du -sh {folder}/*",
    )


def _as_json(plan: Plan) -> dict[str, Any]:
    return {
        "program": plan.program,
        "running": plan.older,
        "migrations": plan.pending,
        "units": plan.units,
        "backup": str(plan.backup) if plan.pending else None,
        "unfinished": plan.unfinished or None,
    }


def _show(plan: Plan) -> None:
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_record, say

    if not plan.is_needed:
        say(
            f"Обновлять нечего: база и процессы соответствуют программе {plan.program}.",
            f"Nothing to upgrade: the database and the processes fit the program {plan.program}.",
        )
        return
    none = choose("нет", "none")
    print_record(
        [
            (choose("программа", "program"), plan.program),
            (choose("работает ещё", "still running"), plan.older or none),
            (choose("миграции базы", "migrations"), plan.pending or none),
            (choose("копия базы", "backup"), plan.backup if plan.pending else none),
            (choose("размер базы", "database"), f"{plan.database_bytes / (1 << 20):.1f} MiB"),
            (choose("перезапустить", "restart"), plan.units or none),
        ]
    )
    if plan.unfinished:
        hint("Прошлое обновление было прервано; оно продолжится.", "An earlier upgrade was broken off; it will go on.")
    hint("Ничего не изменено. Выполнить: replyx upgrade", "Nothing was changed. To do it: replyx upgrade")


def _say_done(done: Upgraded) -> None:
    from replyx.cli.output import hint, say

    say(
        f"Обновлено: миграций {len(done.applied)}, юнитов перезапущено {len(done.units)}",
        f"Upgraded: {len(done.applied)} migrations, {len(done.units)} units restarted",
    )
    if done.backup is not None:
        hint(f"Копия прежней базы: {done.backup}", f"The earlier database: {done.backup}")
    if not done.units:
        hint("Юнитов systemd нет: запустите ReplyX сами.", "No units of systemd: start ReplyX yourself.")
    hint("Проверить: replyx doctor", "To check: replyx doctor")
