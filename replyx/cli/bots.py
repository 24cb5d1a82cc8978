"""`replyx bots`: the bot manager as a process of its own."""

from __future__ import annotations

import typer

from replyx.cli.commands import single

app = single()


@app.command()
def bots(ctx: typer.Context) -> None:
    """Run the bot manager.

    Needs redis.url; one at a time. Prints `ready bots (N configured)`.
    """
    from replyx.cli.lock import wait_for_upgrade
    from replyx.cli.roles import Roles, require_several_processes, say_ready

    config = ctx.obj.load(service=True)
    require_several_processes(config, "bots")
    wait_for_upgrade(config)
    # Only now: what is loaded here takes a second.
    from replyx.app import open_app
    from replyx.bots.running import configured_bots, run_bots

    roles = Roles()
    roles.catch_signals()
    services = open_app(config)
    try:
        roles.start("bots", lambda: run_bots(services, roles.stop))
        say_ready(f"ready bots ({configured_bots(services)} configured)")
        roles.wait()
    finally:
        roles.end()
        services.close()
