"""`replyx server`: the HTTP and socket server as a process of its own."""

from __future__ import annotations

import typer

from replyx.cli.commands import single
from replyx.cli.up import Host, Port

app = single()


@app.command()
def server(ctx: typer.Context, host: Host = None, port: Port = None) -> None:
    """Run the HTTP and socket server.

    Needs redis.url; prints `ready http://H:P` once it serves. A socket that systemd hands over is used.
    """
    from replyx.cli.lock import wait_for_upgrade
    from replyx.cli.roles import Roles, require_several_processes, say_ready

    config = ctx.obj.load({"server.host": host, "server.port": port}, service=True)
    require_several_processes(config, "server")
    wait_for_upgrade(config)
    # Only now: what is loaded here takes a second.
    from replyx.app import open_app
    from replyx.cli.sharing import wait_for_one_data_directory
    from replyx.server.serve import bind, run_server
    from replyx.tasks.notify import inherited_sockets

    inherited = inherited_sockets()
    if not inherited:
        bind(config).close()
    roles = Roles()
    roles.catch_signals()
    services = open_app(config)
    roles.end_on_failed_sync(services.db)
    try:
        wait_for_one_data_directory(services, roles.stop)
        run_server(services, roles.stop, lambda url: say_ready(f"ready {url}"), inherited or None)
    finally:
        roles.end()
        services.close()
