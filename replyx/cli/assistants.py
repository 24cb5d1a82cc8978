"""`replyx assistants`: make, find, change and delete assistants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from replyx.cli.carrying import export_assistant, import_assistant
from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Limit, Offset, WhichAssistant, Yes

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.assistants.views import AssistantView

app = group("Assistants: prompt, model, channels, price.")
app.command("export")(export_assistant)
app.command("import")(import_assistant)

Owner = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="USER", help="Its owner, e-mail or id; else the first administrator.", show_default=False
    ),
]
Description = Annotated[str | None, typer.Option(show_default=False)]
Prompt = Annotated[str | None, typer.Option("--prompt", help="The system prompt.", show_default=False)]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="See `replyx models list`.", show_default=False),
]
Website = Annotated[
    bool | None, typer.Option("--website/--no-website", help="Whether it answers in the widget.", show_default=False)
]
Domains = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Sites that may embed it: host, or *.host for subdomains.", show_default=False),
]
Price = Annotated[
    str | None,
    typer.Option(metavar="N", help="Roubles for an answer; `default`: billing.message_price.", show_default=False),
]
Threshold = Annotated[
    str | None,
    typer.Option(
        metavar="X", help="Least score, 0 to 1, that is answered from; `default`: the embedder's.", show_default=False
    ),
]
ClarifyThreshold = Annotated[
    str | None,
    typer.Option(
        metavar="X",
        help="Least score that is asked back about; 1: never; `default`: knowledge.clarify_threshold.",
        show_default=False,
    ),
]
Welcome = Annotated[str | None, typer.Option("--welcome", help="What the widget greets with.", show_default=False)]
NotFoundText = Annotated[
    str | None, typer.Option("--not-found", help="What is said when nothing was found.", show_default=False)
]
Unavailable = Annotated[
    str | None, typer.Option("--unavailable", help="What is said when no answer can be given.", show_default=False)
]
TelegramStdin = Annotated[
    bool,
    typer.Option("--telegram-token-stdin", help="Read the bot's token from the first line of standard input."),
]
TelegramGroup = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="The operators' group with topics, such as -1001234567890; `none`: no group.",
        show_default=False,
    ),
]
TelegramApiBase = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The bot's own Bot API server; `default`: bots.api_base.", show_default=False),
]
TelegramProxy = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="socks5://host:port or http://host:port, without a password; `default`: bots.proxy.",
        show_default=False,
    ),
]
TelegramProxyStdin = Annotated[
    bool,
    typer.Option(
        "--telegram-proxy-stdin",
        help="Read the proxy's URL, with its password, from the next line of standard input.",
    ),
]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(show_default=False)],
    user: Owner = None,
    description: Description = None,
    prompt: Prompt = None,
    model: Model = None,
    website: Website = None,
    domains: Domains = None,
    price: Price = None,
    threshold: Threshold = None,
    clarify_threshold: ClarifyThreshold = None,
    welcome: Welcome = None,
    not_found: NotFoundText = None,
    unavailable: Unavailable = None,
    telegram_token_stdin: TelegramStdin = False,
    telegram_group: TelegramGroup = None,
    as_json: AsJson = False,
) -> None:
    """Make an assistant."""
    from replyx.cli.invocation import acting_for
    from replyx.cli.output import hint

    given = _fields(
        description=description,
        system_prompt=prompt,
        ai_model=model,
        website_integration=website,
        allowed_domains=domains,
        price=price,
        answer_threshold=threshold,
        clarify_threshold=clarify_threshold,
        welcome_text=welcome,
        not_found_text=not_found,
        unavailable_text=unavailable,
        telegram_bot_token=_ask_token() if telegram_token_stdin else None,
        telegram_group_id=telegram_group,
    )
    with ctx.obj.app() as services:
        made = services.assistants.create(acting_for(services, user), name=name, **given)
        _show(made, _address(services), as_json=as_json)
    if not as_json:
        hint(f"Дальше: replyx knowledge add {made.id} ФАЙЛ…", f"Next: replyx knowledge add {made.id} FILE…")


@app.command("list")
def list_assistants(
    ctx: typer.Context,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only this owner's.", show_default=False)] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: AsJson = False,
) -> None:
    """List assistants."""
    from replyx.cli.invocation import acting_for
    from replyx.cli.language import choose
    from replyx.cli.output import hint, hint_more, print_json, print_table
    from replyx.types import SYSTEM

    with ctx.obj.app() as services:
        actor = SYSTEM if user is None else acting_for(services, user)
        rows, total = services.assistants.list_for(actor, limit=limit, offset=offset)
    if as_json:
        print_json([row.as_json() for row in rows])
    elif not rows:
        hint(
            "Ассистентов нет. Создайте: replyx assistants create НАЗВАНИЕ",
            "There are no assistants. Make one: replyx assistants create NAME",
        )
    else:
        columns = choose(
            "id,название,владелец,модель,сайт,telegram,включён", "id,name,owner,model,website,telegram,enabled"
        )
        print_table(
            columns.split(","),
            [
                (a.id, a.name, a.user_id, a.ai_model, a.website_integration, a.telegram_bot_token, a.is_active)
                for a in rows
            ],
        )
        hint_more(offset + len(rows), total)


@app.command()
def show(ctx: typer.Context, assistant: WhichAssistant, as_json: AsJson = False) -> None:
    """Show one assistant, with the line that puts its widget on a site."""
    from replyx.cli.invocation import find_assistant

    with ctx.obj.app() as services:
        _show(find_assistant(services, assistant), _address(services), as_json=as_json)


@app.command("set")
def set_fields(
    ctx: typer.Context,
    assistant: WhichAssistant,
    name: Annotated[str | None, typer.Option(show_default=False)] = None,
    description: Description = None,
    prompt: Prompt = None,
    model: Model = None,
    website: Website = None,
    domains: Domains = None,
    price: Price = None,
    threshold: Threshold = None,
    clarify_threshold: ClarifyThreshold = None,
    welcome: Welcome = None,
    not_found: NotFoundText = None,
    unavailable: Unavailable = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether it answers at all.", show_default=False)
    ] = None,
    telegram_token_stdin: TelegramStdin = False,
    telegram_group: TelegramGroup = None,
    telegram_api_base: TelegramApiBase = None,
    telegram_proxy: TelegramProxy = None,
    telegram_proxy_stdin: TelegramProxyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Change an assistant; what is not given stays as it is."""
    from replyx.cli.invocation import find_assistant
    from replyx.types import SYSTEM

    changes = _fields(
        name=name,
        description=description,
        system_prompt=prompt,
        ai_model=model,
        website_integration=website,
        allowed_domains=domains,
        price=price,
        answer_threshold=threshold,
        clarify_threshold=clarify_threshold,
        welcome_text=welcome,
        not_found_text=not_found,
        unavailable_text=unavailable,
        is_active=active,
        telegram_bot_token=_ask_token() if telegram_token_stdin else None,
        telegram_group_id=telegram_group,
        telegram_api_base=telegram_api_base,
        telegram_proxy=_ask_proxy() if telegram_proxy_stdin else _open_proxy(telegram_proxy),
    )
    with ctx.obj.app() as services:
        found = find_assistant(services, assistant)
        _show(services.assistants.update(SYSTEM, found.id, changes), _address(services), as_json=as_json)


@app.command()
def delete(ctx: typer.Context, assistant: WhichAssistant, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete an assistant with its documents and dialogs."""
    from replyx.cli.asking import require_consent
    from replyx.cli.invocation import find_assistant
    from replyx.cli.output import print_json, say
    from replyx.types import SYSTEM

    with ctx.obj.app() as services:
        found = find_assistant(services, assistant)
        require_consent(
            f"Удалить «{found.name}» с документами и диалогами?",
            f"Delete '{found.name}' with its documents and dialogs?",
            yes=yes,
        )
        services.knowledge.forget_assistant(found.id)
        services.assistants.delete(SYSTEM, found.id)
    if as_json:
        print_json({"id": found.id, "name": found.name})
    else:
        say(f"Удалён: {found.name}", f"Deleted: {found.name}")


def _fields(**values: Any) -> dict[str, Any]:
    """What was given, by the services' names and in their types."""
    from replyx.billing.money import kopecks

    fields = {key: value for key, value in values.items() if value is not None}
    if "allowed_domains" in fields:
        fields["allowed_domains"] = [part.strip() for part in fields["allowed_domains"].split(",") if part.strip()]
    if "price" in fields:
        fields["price"] = None if fields["price"] == "default" else kopecks(fields["price"])
    for name, option in (("answer_threshold", "--threshold"), ("clarify_threshold", "--clarify-threshold")):
        if name in fields:
            fields[name] = None if fields[name] == "default" else _number(fields[name], option)
    if "telegram_group_id" in fields:
        fields["telegram_group_id"] = _group(fields["telegram_group_id"])
    for name in ("telegram_api_base", "telegram_proxy"):
        if fields.get(name) == "default":
            fields[name] = None
    return fields


def _number(text: str, option: str) -> float:
    from replyx.cli.language import choose

    try:
        return float(text)
    except ValueError as error:
        wanted = choose("Нужно число от 0 до 1 или default.", "A number from 0 to 1, or default.")
        raise typer.BadParameter(wanted, param_hint=option) from error


def _group(text: str) -> int | None:
    from replyx.cli.language import choose

    if text == "none":
        return None
    try:
        return int(text)
    except ValueError as error:
        wanted = choose("Нужен id группы, например -1001234567890, или none.", "A group's id, or none.")
        raise typer.BadParameter(wanted, param_hint="--telegram-group") from error


def _ask_token() -> str:
    from replyx.cli.asking import ask_secret

    return ask_secret("Токен бота", "Bot token", from_stdin=True, flag="--telegram-token-stdin")


def _ask_proxy() -> str:
    from replyx.cli.asking import ask_secret

    return ask_secret("Прокси", "Proxy", from_stdin=True, flag="--telegram-proxy-stdin")


def _open_proxy(proxy: str | None) -> str | None:
    """A proxy from the command line, which everybody on the machine can read."""
    from replyx.assistants.telegram_ways import has_password
    from replyx.cli.language import choose

    if proxy is not None and has_password(proxy):
        wanted = choose(
            "Пароль прокси виден всем на этой машине: передайте адрес через --telegram-proxy-stdin.",
            "Everybody on this machine could read the proxy's password: use --telegram-proxy-stdin.",
        )
        raise typer.BadParameter(wanted, param_hint="--telegram-proxy")
    return proxy


def _address(services: App) -> str:
    """How the appliance is reached: as it is set, else as the server that runs says, else as it would be."""
    server = services.config.server
    return server.public_url or services.beats.server_url() or f"http://{server.host}:{server.port}"


def _show(view: AssistantView, address: str, *, as_json: bool) -> None:
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_record, roubles

    if as_json:
        print_json(view.as_json())
        return
    default = choose("по умолчанию", "default")
    rows: list[tuple[str, object]] = [
        ("id", view.id),
        (choose("название", "name"), view.name),
        (choose("описание", "description"), view.description or None),
        (choose("модель", "model"), view.ai_model),
        (choose("включён", "enabled"), view.is_active),
        (choose("сайт", "website"), view.website_integration),
        (choose("домены", "domains"), view.allowed_domains),
        ("telegram", view.telegram_bot_token),
        (choose("группа операторов", "operators' group"), view.telegram_group_id),
        (choose("адрес Bot API", "Bot API"), view.telegram_api_base),
        (choose("прокси", "proxy"), view.telegram_proxy),
        (choose("цена, ₽", "price, RUB"), default if view.price is None else roubles(view.price)),
        (choose("порог ответа", "threshold"), default if view.answer_threshold is None else view.answer_threshold),
        (
            choose("порог переспроса", "clarify threshold"),
            default if view.clarify_threshold is None else view.clarify_threshold,
        ),
    ]
    if view.site_token:
        script = f'<script src="{address}/widget.js" data-site-token="{view.site_token}" async></script>'
        rows.append((choose("виджет", "widget"), script))
    print_record(rows)
