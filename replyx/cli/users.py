"""`replyx users`: make, find, change and credit users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Limit, Offset, WhichUser, Yes

if TYPE_CHECKING:
    from replyx.accounts.views import UserView

app = group("Users and administrators.")

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]


@app.command()
def create(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(show_default=False)],
    admin: Annotated[bool, typer.Option("--admin", help="Make an administrator.")] = False,
    balance: Annotated[
        str | None, typer.Option(metavar="N", help="Exactly N roubles, and no welcome bonus.", show_default=False)
    ] = None,
    first_name: Annotated[str, typer.Option(show_default=False)] = "",
    last_name: Annotated[str, typer.Option(show_default=False)] = "",
    operator_of: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER",
            help="Make an operator of this user: answers dialogs, sees no money.",
            show_default=False,
        ),
    ] = None,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make a user. The password is asked for, or read with --password-stdin."""
    from replyx.billing.money import kopecks
    from replyx.cli.invocation import find_user
    from replyx.cli.language import choose

    if operator_of is not None and (admin or balance is not None):
        raise typer.BadParameter(
            choose("Не вместе с --admin и --balance.", "Not together with --admin and --balance."),
            param_hint="--operator-of",
        )

    opening = None if balance is None else kopecks(balance)
    password = _ask_password(password_stdin)
    with ctx.obj.app() as services:
        owner = None if operator_of is None else find_user(services, operator_of).id
        user = services.registration.register(
            email, password, first_name, last_name, is_admin=admin, opening_balance=opening, operator_of=owner
        )
    _show(user, as_json=as_json)


@app.command("list")
def list_users(ctx: typer.Context, limit: Limit = 50, offset: Offset = 0, as_json: AsJson = False) -> None:
    """List users, oldest first."""
    from replyx.cli.language import choose
    from replyx.cli.output import hint, hint_more, print_json, print_table, roubles

    with ctx.obj.app() as services:
        users, total = services.accounts.list_users(limit, offset)
    if as_json:
        print_json([_as_json(user) for user in users])
        return
    if not users:
        hint(
            "Пользователей нет. Создайте: replyx users create EMAIL --admin",
            "There are no users. Make one: replyx users create EMAIL --admin",
        )
        return
    columns = choose("id,e-mail,администратор,включён,баланс,создан", "id,e-mail,admin,enabled,balance,created")
    print_table(
        columns.split(","),
        [(u.id, u.email, u.is_admin, u.is_active, roubles(u.balance), f"{u.created_at:%Y-%m-%d %H:%M}") for u in users],
    )
    hint_more(offset + len(users), total)


@app.command()
def show(ctx: typer.Context, user: WhichUser, as_json: AsJson = False) -> None:
    """Show one user."""
    from replyx.cli.invocation import find_user

    with ctx.obj.app() as services:
        _show(find_user(services, user), as_json=as_json)


@app.command("set")
def set_fields(
    ctx: typer.Context,
    user: WhichUser,
    first_name: Annotated[str | None, typer.Option(show_default=False)] = None,
    last_name: Annotated[str | None, typer.Option(show_default=False)] = None,
    no_totp: Annotated[bool, typer.Option("--no-totp", help="Ask for no codes: the phone was lost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Change a user; what is not given stays as it is."""
    from replyx.cli.invocation import find_user
    from replyx.types import Actor, Role

    with ctx.obj.app() as services:
        found = find_user(services, user)
        actor = Actor(Role.OWNER, user_id=found.id)
        if no_totp:
            services.accounts.second_factor.switch_off(found.id)
        _show(services.accounts.update_profile(actor, first_name=first_name, last_name=last_name), as_json=as_json)


@app.command()
def passwd(ctx: typer.Context, user: WhichUser, password_stdin: PasswordStdin = False, as_json: AsJson = False) -> None:
    """Set a user's password; all of the user's sessions end."""
    from replyx.cli.invocation import find_user

    with ctx.obj.app() as services:
        found = find_user(services, user)
        services.accounts.set_password(found.id, _ask_password(password_stdin))
        _tell(found, as_json, "Пароль изменён, входы завершены", "The password is set, sessions have ended")


@app.command()
def verify(ctx: typer.Context, user: WhichUser, as_json: AsJson = False) -> None:
    """Confirm a user's e-mail in place of the link in a letter; a welcome bonus that waits for it comes."""
    from replyx.cli.invocation import find_user

    with ctx.obj.app() as services:
        _show(services.verification.vouch(find_user(services, user).id), as_json=as_json)


@app.command()
def disable(ctx: typer.Context, user: WhichUser, as_json: AsJson = False) -> None:
    """Lock a user out and stop its assistants; nothing is deleted."""
    _activate(ctx, user, False, as_json)


@app.command()
def enable(ctx: typer.Context, user: WhichUser, as_json: AsJson = False) -> None:
    """Let a disabled user in again."""
    _activate(ctx, user, True, as_json)


@app.command()
def delete(ctx: typer.Context, user: WhichUser, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a user with all assistants, documents and dialogs; the ledger keeps its entries."""
    from replyx.cli.asking import require_consent
    from replyx.cli.invocation import find_user

    with ctx.obj.app() as services:
        found = find_user(services, user)
        require_consent(
            f"Удалить {found.email} со всеми ассистентами, документами и диалогами?",
            f"Delete {found.email} with all assistants, documents and dialogs?",
            yes=yes,
        )
        services.tenants.delete(found.id, may_be_last=True)
        _tell(found, as_json, "Удалён", "Deleted")


@app.command()
def credit(
    ctx: typer.Context,
    user: WhichUser,
    amount: Annotated[str, typer.Argument(help="Roubles, such as 500 or 99.50.", show_default=False)],
    description: Annotated[str, typer.Option(help="What the user's statement says.", show_default=False)] = "",
    as_json: AsJson = False,
) -> None:
    """Add roubles to a user's balance."""
    from secrets import token_hex

    from replyx.billing.money import kopecks
    from replyx.cli.invocation import find_user

    sum_ = kopecks(amount)
    with ctx.obj.app() as services:
        found = find_user(services, user)
        services.ledger.credit(
            found.id,
            sum_,
            kind="credit",
            key=f"cli:{token_hex(16)}",
            description=description or "Начисление администратором",
        )
        _show(services.accounts.get(found.id), as_json=as_json)


@app.command()
def audit(
    ctx: typer.Context,
    action: Annotated[str | None, typer.Option(help="Such as login.", show_default=False)] = None,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Who did it.", show_default=False)] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: AsJson = False,
) -> None:
    """List who did what, newest first: logins, refusals, money, administration."""
    from replyx.cli.invocation import find_user
    from replyx.cli.language import choose
    from replyx.cli.output import hint_more, print_json, print_table
    from replyx.events.audit import REFUSED, AuditFilter

    with ctx.obj.app() as services:
        who = None if user is None else find_user(services, user).id
        which = AuditFilter(action, who, REFUSED if refused else None, limit=limit, offset=offset)
        rows, total = services.accounts.audit.list(which)
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    columns = choose("когда,кто,откуда,что,над чем,исход,подробности", "when,who,from,what,on,outcome,details")
    print_table(
        columns.split(","),
        [
            (
                f"{row.created_at:%Y-%m-%d %H:%M:%S}",
                row.user_id,
                row.peer,
                row.action,
                row.object,
                row.outcome,
                ", ".join(f"{name}={value}" for name, value in (row.details or {}).items()),
            )
            for row in rows
        ],
    )
    hint_more(offset + len(rows), total)


@app.command("link-telegram")
def link_telegram(
    ctx: typer.Context,
    user: WhichUser,
    remove: Annotated[bool, typer.Option("--remove", help="Take the link away instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a code by which an operator's Telegram account is known; it is sent to the bot as `/link CODE`."""
    from replyx.accounts.telegram_links import CODE_MINUTES
    from replyx.cli.invocation import find_user
    from replyx.cli.output import hint, line, print_json, say

    with ctx.obj.app() as services:
        found = find_user(services, user)
        if remove:
            services.telegram_links.unlink(found.id)
            code = None
        else:
            code = services.telegram_links.make_code(found.id)
    if as_json:
        print_json({"id": found.id, "email": found.email, "code": code, "minutes": CODE_MINUTES if code else None})
    elif code is None:
        say(f"Связь с Telegram убрана: {found.email}", f"No longer linked to Telegram: {found.email}")
    else:
        line(code)
        hint(
            f"Отправьте боту за {CODE_MINUTES} минут: /link {code}",
            f"Send this to the bot within {CODE_MINUTES} minutes: /link {code}",
        )


def _activate(ctx: typer.Context, user: str, active: bool, as_json: bool) -> None:
    from replyx.cli.invocation import find_user

    with ctx.obj.app() as services:
        found = find_user(services, user)
        services.accounts.set_active(found.id, active, may_be_last=True)
        _show(services.accounts.get(found.id), as_json=as_json)


def _ask_password(from_stdin: bool) -> str:
    from replyx.cli.asking import ask_secret

    return ask_secret("Пароль", "Password", from_stdin=from_stdin, flag="--password-stdin", confirm=True)


def _tell(user: UserView, as_json: bool, ru: str, en: str) -> None:
    from replyx.cli.output import print_json, say

    if as_json:
        print_json({"id": user.id, "email": user.email})
    else:
        say(f"{ru}: {user.email}", f"{en}: {user.email}")


def _show(user: UserView, *, as_json: bool) -> None:
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_record, roubles

    if as_json:
        print_json(_as_json(user))
        return
    print_record(
        [
            ("id", user.id),
            ("e-mail", user.email),
            (choose("e-mail подтверждён", "e-mail confirmed"), user.is_verified),
            (choose("имя", "name"), f"{user.first_name} {user.last_name}".strip() or None),
            (choose("администратор", "administrator"), user.is_admin),
            *([(choose("оператор у", "operator of"), user.owner_id)] if user.owner_id is not None else []),
            (choose("включён", "enabled"), user.is_active),
            (choose("второй фактор", "second factor"), user.has_totp),
            (choose("баланс, ₽", "balance, RUB"), roubles(user.balance)),
            (choose("удержано, ₽", "held, RUB"), roubles(user.held)),
            (choose("создан", "created"), f"{user.created_at:%Y-%m-%d %H:%M}"),
            (
                choose("последний вход", "last login"),
                f"{user.last_login_at:%Y-%m-%d %H:%M}" if user.last_login_at else None,
            ),
        ]
    )


def _as_json(user: UserView) -> dict[str, Any]:
    """The API's user, with what only administrators see."""
    from replyx.clock import iso

    login = iso(user.last_login_at) if user.last_login_at else None
    owner = {} if user.owner_id is None else {"owner_id": user.owner_id}
    return {**user.as_json(), **owner, "held": user.held / 100, "is_active": user.is_active, "last_login_at": login}
