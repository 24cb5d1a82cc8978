"""`replyx bots`: the bot manager as processes of its own; `replyx bots status`: how each bot is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import single
from replyx.cli.flags import AsJson

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.cli.roles import Roles

app = single()


@app.callback(invoke_without_command=True)
def bots(
    ctx: typer.Context,
    further: Annotated[bool, typer.Option("--further", hidden=True)] = False,
) -> None:
    """Run the bot manager.

    Needs redis.url. Starts as many processes as bots.processes says; several machines may run it. Prints
    `ready bots (N configured)`.
    """
    if ctx.invoked_subcommand is not None:
        return
    from replyx.cli.lock import wait_for_upgrade
    from replyx.cli.roles import Roles, require_several_processes, say_ready

    config = ctx.obj.load(service=True)
    require_several_processes(config, "bots")
    wait_for_upgrade(config)
    # Only now: what is loaded here takes a second.
    from replyx.app import open_app
    from replyx.bots.running import configured_bots, run_bots
    from replyx.cli.sharing import wait_for_one_data_directory

    roles = Roles()
    roles.catch_signals()
    services = open_app(config)
    roles.end_on_failed_sync(services.db)
    try:
        wait_for_one_data_directory(services, roles.stop)
        # Channels of plugins are the first process's.
        roles.start("bots", lambda: run_bots(services, roles.stop, channels=not further))
        if further:
            _end_with_the_first(roles)
        else:
            if config.bots.processes > 1:
                _start_others(services, roles)
            say_ready(f"ready bots ({configured_bots(services)} configured)")
        roles.wait()
    finally:
        roles.end()
        services.close()


@app.command()
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show how each Telegram bot is, which process runs it, and what waits."""
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_json, print_table
    from replyx.types import SYSTEM

    with ctx.obj.app() as services:
        found = services.bot_states.list_for(SYSTEM)
    if as_json:
        print_json([one.as_json("en") for one in found])
        return
    if not found:
        hint(
            "Ботов нет. Подключите: replyx assistants set АССИСТЕНТ --telegram-token-stdin",
            "There are no bots. Connect one: replyx assistants set ASSISTANT --telegram-token-stdin",
        )
        return
    columns = choose(
        "бот,ассистент,состояние,процесс,обновление, с назад,входящих,исходящих,под вопросом",
        "bot,assistant,state,process,update, s ago,inbound,outbound,in doubt",
    )
    heads = columns.split(",")
    heads[4:6] = [",".join(heads[4:6])]
    print_table(
        heads,
        [
            (
                f"@{one.bot.username}" if one.bot.username else None,
                f"{one.bot.assistant_id} {one.bot.assistant_name}",
                one.bot.state,
                one.process,
                None if one.bot.last_update is None else round(one.bot.last_update, 1),
                one.waiting,
                one.to_send,
                one.in_doubt,
            )
            for one in found
        ],
    )
    for one in found:
        if one.bot.message("en"):
            hint(f"{one.bot.assistant_id}: {one.bot.message('ru')}", f"{one.bot.assistant_id}: {one.bot.message('en')}")


def _start_others(services: App, roles: Roles) -> None:
    import sys

    from replyx.bots.processes import run_further

    command = [sys.executable, "-m", "replyx", *sys.argv[1:], "--further"]
    count = services.config.bots.processes - 1
    roles.start("further processes", lambda: run_further(services, command, count, roles.stop))


def _end_with_the_first(roles: Roles) -> None:
    import threading

    from replyx.bots.processes import until_input_ends

    # It waits for input that may never come: nobody waits for it.
    threading.Thread(target=until_input_ends, args=(roles.stop,), name="input", daemon=True).start()
