"""`replyx tokens`: the administrator's keys to OpenAI-compatible APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Yes

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.llm.views import AiTokenView

app = group("AI tokens: keys to OpenAI-compatible APIs.")

WhichToken = Annotated[str, typer.Argument(metavar="TOKEN", help="Name or id.", show_default=False)]
BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Such as https://api.openai.com/v1.", show_default=False)
]
Models = Annotated[
    str | None, typer.Option(metavar="A,B", help="Model names that the key gives access to.", show_default=False)
]
Priority = Annotated[int | None, typer.Option(metavar="P", help="The lower number is used first.", show_default=False)]
DailyLimit = Annotated[int | None, typer.Option(metavar="N", help="Calls a day; 0: no limit.", show_default=False)]
MonthlyLimit = Annotated[int | None, typer.Option(metavar="N", help="Calls a month; 0: no limit.", show_default=False)]
Notes = Annotated[str | None, typer.Option(show_default=False)]
TokenStdin = Annotated[bool, typer.Option("--token-stdin", help="Read the key from the first line of standard input.")]


@app.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(metavar="N", show_default=False)],
    models: Annotated[
        str, typer.Option(metavar="A,B", help="Model names that the key gives access to.", show_default=False)
    ],
    base_url: BaseUrl = None,
    priority: Priority = None,
    daily_limit: DailyLimit = None,
    monthly_limit: MonthlyLimit = None,
    notes: Notes = None,
    token_stdin: TokenStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add a key. It is asked for, or read with --token-stdin; it is stored encrypted."""
    secret = _ask_token(token_stdin)
    given = _given(
        base_url=base_url, priority=priority, daily_limit=daily_limit, monthly_limit=monthly_limit, notes=notes
    )
    with ctx.obj.app() as services:
        token = services.ai_tokens.add(name, secret, model_access=_names(models), **given)
    _show(token, as_json=as_json)
    if not as_json:
        from replyx.cli.output import hint

        hint(f"Проверьте ключ: replyx tokens test {token.id}", f"Try the key: replyx tokens test {token.id}")


@app.command("list")
def list_tokens(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List keys in the order of use."""
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_json, print_table

    with ctx.obj.app() as services:
        rows = services.ai_tokens.list()
    if as_json:
        print_json([token.as_json() for token in rows])
    elif not rows:
        hint(
            "Ключей нет: отвечает extractive. Добавьте: replyx tokens add --name N --base-url URL --models A,B",
            "There are no keys: extractive answers. Add one: replyx tokens add --name N --base-url URL --models A,B",
        )
    else:
        columns = choose(
            "id,название,ключ,адрес,модели,приоритет,сегодня,за месяц,включён",
            "id,name,key,address,models,priority,today,month,enabled",
        )
        print_table(
            columns.split(","),
            [
                (
                    t.id,
                    t.name,
                    t.token,
                    t.base_url,
                    t.model_access,
                    t.priority,
                    _usage(t.daily_usage, t.daily_limit),
                    _usage(t.monthly_usage, t.monthly_limit),
                    t.disabled_reason or t.is_active,
                )
                for t in rows
            ],
        )


@app.command("set")
def set_fields(
    ctx: typer.Context,
    token: WhichToken,
    name: Annotated[str | None, typer.Option(metavar="N", show_default=False)] = None,
    base_url: BaseUrl = None,
    models: Models = None,
    priority: Priority = None,
    daily_limit: DailyLimit = None,
    monthly_limit: MonthlyLimit = None,
    notes: Notes = None,
    token_stdin: TokenStdin = False,
    as_json: AsJson = False,
) -> None:
    """Change a key; what is not given stays as it is. A new key is read with --token-stdin."""
    changes = _given(
        name=name,
        base_url=base_url,
        priority=priority,
        daily_limit=daily_limit,
        monthly_limit=monthly_limit,
        notes=notes,
        model_access=None if models is None else _names(models),
        token=_ask_token(True) if token_stdin else None,
    )
    with ctx.obj.app() as services:
        _show(services.ai_tokens.update(_find(services, token).id, **changes), as_json=as_json)


@app.command()
def disable(ctx: typer.Context, token: WhichToken, as_json: AsJson = False) -> None:
    """Stop using a key."""
    with ctx.obj.app() as services:
        _show(services.ai_tokens.set_active(_find(services, token).id, False), as_json=as_json)


@app.command()
def enable(ctx: typer.Context, token: WhichToken, as_json: AsJson = False) -> None:
    """Use a key again, also one that its server had refused."""
    with ctx.obj.app() as services:
        _show(services.ai_tokens.set_active(_find(services, token).id, True), as_json=as_json)


@app.command()
def remove(ctx: typer.Context, token: WhichToken, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a key."""
    from replyx.cli.asking import require_consent
    from replyx.cli.output import print_json, say

    with ctx.obj.app() as services:
        found = _find(services, token)
        require_consent(f"Удалить ключ {found.name}?", f"Delete the key {found.name}?", yes=yes)
        services.ai_tokens.remove(found.id)
    if as_json:
        print_json({"id": found.id, "name": found.name})
    else:
        say(f"Удалён: {found.name}", f"Deleted: {found.name}")


@app.command("test")
def try_out(ctx: typer.Context, token: WhichToken, as_json: AsJson = False) -> None:
    """Make one tiny call with a key; exit code 1 where it fails."""
    from replyx.cli.exits import ExitCode
    from replyx.cli.output import print_json, say

    with ctx.obj.app() as services:
        found = _find(services, token)
        result = services.ai_tokens.test(found.id)
    if as_json:
        print_json(result.as_json())
    elif result.ok:
        say(
            f"{found.name}: {result.model} ответила за {result.latency_ms} мс",
            f"{found.name}: {result.model} answered in {result.latency_ms} ms",
        )
    else:
        say(f"{found.name}: {result.model}: {result.reason}", f"{found.name}: {result.model}: {result.reason}")
    if not result.ok:
        raise typer.Exit(ExitCode.EXIT_FAILED)


@app.command("rotate-master")
def rotate_master(
    ctx: typer.Context,
    forget_earlier: Annotated[
        bool, typer.Option("--forget-earlier", help="Make no new key; take leave of the earlier ones. Logins end.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Replace the master key and encrypt every stored secret anew; processes may run meanwhile."""
    from replyx.cli.asking import require_consent
    from replyx.cli.output import hint, print_json, say

    if forget_earlier:
        require_consent(
            "Забыть прежние главные ключи? Входы под ними закончатся.",
            "Forget the earlier master keys? Logins under them end.",
            yes=yes,
        )
    with ctx.obj.app() as services:
        count = services.sealed.forget_earlier() if forget_earlier else services.sealed.rotate()
    if as_json:
        print_json({"secrets": count, "earlier_forgotten": forget_earlier})
        return
    say(f"Зашифровано заново: {count}", f"Encrypted anew: {count}")
    if not forget_earlier:
        hint(
            "Перезапустите процессы ReplyX. Прежний ключ ещё действует; забыть его: "
            "replyx tokens rotate-master --forget-earlier",
            "Restart ReplyX's processes. The earlier key still counts; to forget it: "
            "replyx tokens rotate-master --forget-earlier",
        )


def _find(services: App, which: str) -> AiTokenView:
    """By name first: a name may look like a number."""
    from replyx.errors import NotFound

    try:
        return services.ai_tokens.get(which)
    except NotFound:
        if which.isdecimal() and len(which) < 18:
            return services.ai_tokens.get(int(which))
        raise NotFound(
            f"Нет ключа «{which}». Все: replyx tokens list", f"No AI token '{which}'. All of them: replyx tokens list"
        ) from None


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _given(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def _ask_token(from_stdin: bool) -> str:
    from replyx.cli.asking import ask_secret

    return ask_secret("Ключ", "Key", from_stdin=from_stdin, flag="--token-stdin")


def _usage(used: int, limit: int) -> str:
    return f"{used}/{limit}" if limit else str(used)


def _show(token: AiTokenView, *, as_json: bool) -> None:
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_record

    if as_json:
        print_json(token.as_json())
        return
    print_record(
        [
            ("id", token.id),
            (choose("название", "name"), token.name),
            (choose("ключ", "key"), token.token),
            (choose("адрес", "address"), token.base_url),
            (choose("модели", "models"), token.model_access),
            (choose("приоритет", "priority"), token.priority),
            (choose("сегодня", "today"), _usage(token.daily_usage, token.daily_limit)),
            (choose("за месяц", "this month"), _usage(token.monthly_usage, token.monthly_limit)),
            (choose("включён", "enabled"), token.disabled_reason or token.is_active),
            (choose("заметки", "notes"), token.notes or None),
        ]
    )
