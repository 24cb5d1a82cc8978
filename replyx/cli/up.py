"""`replyx up`: server, worker and bots in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import single

if TYPE_CHECKING:
    from socket import socket

    from replyx.app import App
    from replyx.cli.first_start import Administrator
    from replyx.cli.roles import Roles

app = single()

Host = Annotated[str | None, typer.Option(metavar="H", help="Address to listen on.", show_default=False)]
Port = Annotated[
    int | None,
    typer.Option(metavar="P", help="Port to listen on; 0: a free one.", min=0, max=65535, show_default=False),
]


@app.command()
def up(
    ctx: typer.Context,
    host: Host = None,
    port: Port = None,
    admin_email: Annotated[
        str | None, typer.Option(metavar="E", help="The first administrator's e-mail.", show_default=False)
    ] = None,
) -> None:
    """Run everything in one process; nothing else is needed.

    The first start makes the database, an administrator with a generated password and an assistant. Prints
    `administrator EMAIL`, at the first start `password PASSWORD`, and `ready http://H:P` once it serves. A socket that
    systemd hands over is used.
    """
    from replyx.cli.first_start import ensure_administrator, migrate_if_empty
    from replyx.cli.lock import hold_data_dir, wait_for_upgrade
    from replyx.cli.roles import Roles

    config = ctx.obj.load({"server.host": host, "server.port": port}, service=True)
    roles = Roles()
    roles.catch_signals()
    wait_for_upgrade(config)
    with hold_data_dir(config.data_dir):
        # What is loaded here takes a second; a directory in use is told before it, a port before anything is made.
        from replyx.app import open_app
        from replyx.cli.sharing import wait_for_one_data_directory
        from replyx.server.serve import bind
        from replyx.tasks.notify import inherited_sockets

        inherited = inherited_sockets()
        if not inherited:
            bind(config).close()
        if not config.database_url.startswith("sqlite:"):
            migrate_if_empty(config)
        services = open_app(config)
        roles.end_on_failed_sync(services.db)
        try:
            wait_for_one_data_directory(services, roles.stop)
            administrator = ensure_administrator(services, admin_email)
            _introduce(administrator)
            _serve(services, roles, administrator, inherited or None)
        finally:
            services.close()


def _serve(services: App, roles: Roles, administrator: Administrator | None, sockets: list[socket] | None) -> None:
    from replyx.bots.running import run_bots
    from replyx.cli.roles import say_ready
    from replyx.server.serve import run_server
    from replyx.worker.running import run_worker

    def ready(url: str) -> None:
        say_ready(f"ready {url}")
        _what_next(url, is_new=administrator is not None and administrator.password is not None)

    roles.start("worker", lambda: run_worker(services, roles.stop))
    roles.start("bots", lambda: run_bots(services, roles.stop))
    try:
        run_server(services, roles.stop, ready, sockets)
    finally:
        roles.end()


def _introduce(administrator: Administrator | None) -> None:
    """Before anything can go wrong: a generated password is shown this one time."""
    from replyx.cli.output import hint, line

    if administrator is None:
        hint(
            "Администратора нет. Создайте: replyx users create EMAIL --admin",
            "There is no administrator. Make one: replyx users create EMAIL --admin",
        )
        return
    line(f"administrator {administrator.email}")
    if administrator.password is not None:
        line(f"password {administrator.password}")


def _what_next(url: str, *, is_new: bool) -> None:
    from replyx.cli.output import hint

    hint(
        f"Консоль: {url}/   Демо виджета: {url}/demo   Остановить: Ctrl+C",
        f"Console: {url}/   Widget demo: {url}/demo   Stop: Ctrl+C",
    )
    if is_new:
        hint(
            "Пароль показан один раз. Дальше: replyx knowledge add 1 ФАЙЛ.pdf",
            "The password is shown this once. Next: replyx knowledge add 1 FILE.pdf",
        )
