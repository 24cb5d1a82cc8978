"""`replyx doctor`: what is wrong with this installation, and the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import single
from replyx.cli.flags import AsJson

if TYPE_CHECKING:
    from replyx.cli.findings import Finding
    from replyx.cli.invocation import Invocation
    from replyx.config.settings import Config

app = single()


@app.command()
def doctor(
    ctx: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Call no API and no address.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with this installation, and the command that mends it.

    Asks the API of each AI key for its models, which costs nothing. Changes nothing. Exit code 1 where something does
    not work; warnings alone are 0.
    """
    from replyx.cli.exits import ExitCode
    from replyx.cli.findings import has_fault, print_findings

    found = _examined(ctx.obj, offline=offline)
    print_findings(found, as_json=as_json)
    if has_fault(found):
        raise typer.Exit(ExitCode.EXIT_FAILED)


def _examined(invocation: Invocation, *, offline: bool) -> list[Finding]:
    from replyx.cli.checking_machine import machine_findings
    from replyx.cli.findings import refused
    from replyx.clock import SystemClock
    from replyx.errors import ConfigError
    from replyx.plugins.finding import load_plugins

    try:
        config = invocation.load()
        # Their settings are settings, too.
        load_plugins(config, SystemClock())
    except ConfigError as error:
        return [refused("settings", error, "replyx config check")]
    found = machine_findings(config)
    return found + _stored(config, offline=offline)


def _stored(config: Config, *, offline: bool) -> list[Finding]:
    """What is in the database, where there is one; a look at nothing must not make it."""
    from replyx.app import open_app
    from replyx.cli.checking_database import database_findings
    from replyx.cli.checking_mail import mail_finding
    from replyx.cli.checking_reach import reach_findings
    from replyx.cli.checking_services import service_findings
    from replyx.cli.findings import has_fault, warning

    if config.database_url.startswith("sqlite:") and not config.data_dir.exists():
        return [warning("database", "ещё нет", "there is none yet", "replyx init")]
    found = database_findings(config, thorough=False)
    if has_fault(found):
        return found
    services = open_app(config, migrate_embedded=False)
    try:
        found += service_findings(services, offline=offline)
        return [*found, *reach_findings(services, offline=offline), mail_finding(services, offline=offline)]
    finally:
        services.close()
