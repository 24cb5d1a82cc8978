"""`replyx billing`: balances, statements, payments and the check of the ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Limit, Offset, WhichUser

app = group("Balances, statements, payments and the check of the ledger.")


if TYPE_CHECKING:
    from replyx.billing.payment_views import PaymentView

WhichPayment = Annotated[int, typer.Argument(metavar="ID", help="Number of the payment.", show_default=False)]


class Direction(StrEnum):
    """Which lines of a statement."""

    DEBIT = "debit"
    CREDIT = "credit"


@app.command()
def balance(ctx: typer.Context, user: WhichUser, as_json: AsJson = False) -> None:
    """Show a user's balance."""
    from replyx.cli.invocation import find_user
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_record, roubles

    with ctx.obj.app() as services:
        found = services.ledger.balance(find_user(services, user).id)
    if as_json:
        print_json(found.as_json())
        return
    print_record(
        [
            (choose("баланс, ₽", "balance, RUB"), roubles(found.balance)),
            (choose("бонус, ₽", "bonus, RUB"), roubles(found.welcome_bonus)),
            (choose("потрачено, ₽", "spent, RUB"), roubles(found.total_spent)),
            (choose("ждут", "pending"), found.pending_transactions),
        ]
    )


@app.command()
def statement(
    ctx: typer.Context,
    user: WhichUser,
    kind: Annotated[Direction | None, typer.Option("--type", help="Only these.", show_default=False)] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: AsJson = False,
) -> None:
    """List a user's payments and top-ups, newest first."""
    from replyx.cli.invocation import find_user
    from replyx.cli.language import choose, language
    from replyx.cli.output import hint, hint_more, print_json, print_table, roubles

    with ctx.obj.app() as services:
        rows, total = services.ledger.transactions(
            find_user(services, user).id, limit=limit, offset=offset, kind=None if kind is None else kind.value
        )
    lines = [row.as_json(language()) for row in rows]
    if as_json:
        print_json(lines)
    elif not rows:
        hint(
            "Операций нет. Пополнить: replyx users credit USER СУММА",
            "There are no transactions. To add money: replyx users credit USER AMOUNT",
        )
    else:
        columns = choose("id,когда,сумма,что", "id,when,amount,what")
        print_table(
            columns.split(","),
            [
                (row.id, f"{row.created_at:%Y-%m-%d %H:%M}", roubles(row.amount), said["description"])
                for row, said in zip(rows, lines, strict=True)
            ],
        )
        hint_more(offset + len(rows), total)


@app.command(name="top-up")
def top_up(
    ctx: typer.Context,
    user: WhichUser,
    amount: Annotated[str, typer.Argument(help="Roubles.", show_default=False)],
    method: Annotated[str | None, typer.Option(help="Way to pay, or the provider's name.", show_default=False)] = None,
    return_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the payer is sent back to.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a payment; the balance moves when it is paid. `replyx users credit` needs no payment."""
    from replyx.cli.invocation import find_user

    with ctx.obj.app() as services:
        found = find_user(services, user)
        _show(services.top_ups.start(found.id, amount, method=method, return_url=return_url), as_json=as_json)


@app.command()
def payments(
    ctx: typer.Context,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only of this user.", show_default=False)] = None,
    status: Annotated[str | None, typer.Option(help="Only these, such as `pending`.", show_default=False)] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    as_json: AsJson = False,
) -> None:
    """List payments, newest first."""
    from replyx.cli.invocation import find_user
    from replyx.cli.language import choose
    from replyx.cli.output import hint_more, print_json, print_table, roubles

    with ctx.obj.app() as services:
        user_id = find_user(services, user).id if user is not None else None
        rows, total = services.top_ups.list(user_id=user_id, status=status, limit=limit, offset=offset)
    if as_json:
        print_json([row.record_json() for row in rows])
        return
    columns = choose("id,когда,пользователь,сумма,плагин,состояние", "id,when,user,amount,plugin,status")
    print_table(
        columns.split(","),
        [
            (row.id, f"{row.created_at:%Y-%m-%d %H:%M}", row.user_id, roubles(row.amount), row.provider, row.status)
            for row in rows
        ],
    )
    hint_more(offset + len(rows), total)


@app.command()
def confirm(ctx: typer.Context, payment: WhichPayment, as_json: AsJson = False) -> None:
    """Say that the money of an invoice has come; the balance moves once."""
    with ctx.obj.app() as services:
        _show(services.top_ups.confirm(payment), as_json=as_json)


@app.command()
def refund(ctx: typer.Context, payment: WhichPayment, as_json: AsJson = False) -> None:
    """Give a payment back: it leaves the balance, and its provider returns it; again: the same refund."""
    with ctx.obj.app() as services:
        _show(services.top_ups.refund(payment), as_json=as_json)


def _show(payment: PaymentView, *, as_json: bool) -> None:
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_record, roubles

    if as_json:
        print_json(payment.record_json())
        return
    print_record(
        [
            ("id", payment.id),
            (choose("плагин", "plugin"), payment.provider),
            (choose("сумма, ₽", "amount, RUB"), roubles(payment.amount)),
            (choose("состояние", "status"), payment.status),
            (choose("возвращено, ₽", "refunded, RUB"), roubles(payment.refunded)),
            (choose("платить здесь", "pay here"), payment.confirmation_url),
            (choose("что делать", "what to do"), payment.instructions or None),
        ]
    )


@app.command()
def verify(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the whole ledger: all entries sum to 0, cached balances are right; exit code 1 where they are not."""
    from replyx.cli.exits import ExitCode
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_record, roubles

    with ctx.obj.app() as services:
        report = services.ledger.verify()
    if as_json:
        print_json(report.as_json())
    else:
        print_record(
            [
                (choose("книга сходится", "the ledger is sound"), report.ok),
                (choose("сумма всех записей, ₽", "sum of all entries, RUB"), roubles(report.sum_of_entries)),
                (choose("переводы с ошибкой", "unbalanced transfers"), report.unbalanced_transfers),
                (choose("расхождения у пользователей", "users that differ"), report.mismatched_users),
                (choose("отрицательные балансы", "negative balances"), report.negative_users),
                (choose("открытые удержания", "open holds"), report.open_holds),
            ]
        )
    if not report.ok:
        raise typer.Exit(ExitCode.EXIT_FAILED)
