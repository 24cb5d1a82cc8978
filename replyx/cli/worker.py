"""`replyx worker`: answers, documents and sweepers as a process of its own."""

from __future__ import annotations

import typer

from replyx.cli.commands import single

app = single()


@app.command()
def worker(ctx: typer.Context) -> None:
    """Run a worker: answers, documents, sweepers.

    Needs redis.url; any number may run. Prints `ready worker`.
    """
    from replyx.cli.lock import wait_for_upgrade
    from replyx.cli.roles import Roles, require_several_processes, say_ready

    config = ctx.obj.load(service=True)
    require_several_processes(config, "worker")
    wait_for_upgrade(config)
    # Only now: what is loaded here takes a second.
    from replyx.app import open_app
    from replyx.cli.sharing import wait_for_one_data_directory
    from replyx.worker.running import run_worker

    roles = Roles()
    roles.catch_signals()
    services = open_app(config)
    roles.end_on_failed_sync(services.db)
    try:
        wait_for_one_data_directory(services, roles.stop)
        roles.start("worker", lambda: run_worker(services, roles.stop))
        say_ready("ready worker")
        roles.wait()
    finally:
        roles.end()
        services.close()
