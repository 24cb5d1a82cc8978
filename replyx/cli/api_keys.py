"""`replyx api-keys`: tenants' keys to the OpenAI-compatible API."""

from __future__ import annotations

from typing import Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Yes

app = group("Tenants' keys to the OpenAI-compatible API.")

Owner = Annotated[str, typer.Argument(metavar="OWNER", help="E-mail or id of the tenant.", show_default=False)]


@app.command()
def create(
    ctx: typer.Context,
    owner: Owner,
    name: Annotated[str, typer.Option(metavar="N", help="What the key is for.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once."""
    from replyx.cli.invocation import acting_for
    from replyx.cli.output import hint, line, print_json

    with ctx.obj.app() as services:
        view, key = services.api_keys.create(acting_for(services, owner), name)
    if as_json:
        print_json({**view.as_json(), "key": key})
        return
    line(key)
    hint(
        "Сохраните ключ: больше его не увидеть. Адрес: http://ХОСТ:ПОРТ/v1, модели: GET /v1/models",
        "Keep the key: it is not shown again. The address: http://HOST:PORT/v1, models: GET /v1/models",
    )


@app.command("list")
def list_keys(ctx: typer.Context, owner: Owner, as_json: AsJson = False) -> None:
    """List a tenant's keys, masked."""
    from replyx.cli.invocation import acting_for
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_table

    with ctx.obj.app() as services:
        rows = services.api_keys.list_for(acting_for(services, owner))
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    columns = choose("id,название,ключ,создан,использован", "id,name,key,created,used")
    shown = [row.as_json() for row in rows]
    print_table(columns.split(","), [(r["id"], r["name"], r["key"], r["created_at"], r["last_used_at"]) for r in shown])


@app.command()
def revoke(
    ctx: typer.Context,
    owner: Owner,
    key: Annotated[int, typer.Argument(metavar="KEY", help="Id.", show_default=False)],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End a key at once."""
    from replyx.cli.asking import require_consent
    from replyx.cli.invocation import acting_for
    from replyx.cli.output import print_json, say

    with ctx.obj.app() as services:
        actor = acting_for(services, owner)
        require_consent(f"Отозвать ключ {key}?", f"Revoke the key {key}?", yes=yes)
        services.api_keys.revoke(actor, key)
    if as_json:
        print_json({"id": key})
    else:
        say(f"Отозван: {key}", f"Revoked: {key}")
