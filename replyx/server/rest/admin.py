"""/api/admin: keys to AI, users and their money, for administrators."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from replyx.accounts.views import UserView
from replyx.billing.money import kopecks
from replyx.billing.wording import CREDIT
from replyx.clock import iso
from replyx.dialogs.census import UserFigures
from replyx.errors import Conflict
from replyx.events.audit import AuditFilter
from replyx.server.bodies import MONEY, Body, Id, Page, Text
from replyx.server.endpoint import Call
from replyx.types import Json


def _written_out(value: object) -> object:
    """A number would be read as seconds since 1970."""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[T ]", value):
        return value
    raise ValueError


#: A moment as people write it.
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class NewAiToken(Body):
    name: Text
    token: Text
    model_access: list[Text]
    base_url: Text = ""
    daily_limit: int = 0
    monthly_limit: int = 0
    priority: int = 1
    notes: Text = ""


class AiTokenChanges(Body):
    name: Text = ""
    token: Text = ""
    model_access: list[Text] = []
    base_url: Text = ""
    daily_limit: int = 0
    monthly_limit: int = 0
    priority: int = 1
    is_active: bool = True
    notes: Text = ""


class UserChanges(Body):
    first_name: Text = ""
    last_name: Text = ""
    plan: Text = ""
    onboarding_completed: bool = False
    is_active: bool = True


class AuditList(Page):
    action: Text | None = None
    user_id: Id | None = None
    outcome: Literal["ok", "refused"] | None = None
    #: Moments with their zone, such as 2025-09-01T00:00:00Z.
    since: Moment | None = None
    until: Moment | None = None


class Credit(Body):
    #: Roubles. What is no amount of money has a code of its own, so the description alone says it.
    amount: Annotated[float, Field(json_schema_extra=MONEY)]
    description: Text = ""


async def list_ai_tokens(call: Call) -> list[Json]:
    rows = await call.app.call(call.app.ai_tokens.list)
    return [row.as_json() for row in call.page_of(rows)]


async def create_ai_token(call: Call) -> Json:
    made = await call.app.call(call.app.ai_tokens.add, **call.body.model_dump(exclude_unset=True))
    return made.as_json()


async def show_ai_token(call: Call) -> Json:
    found = await call.app.call(call.app.ai_tokens.get, call.id)
    return found.as_json()


async def change_ai_token(call: Call) -> Json:
    changes = call.body.model_dump(exclude_unset=True)
    changed = await call.app.call(call.app.ai_tokens.update, call.id, **changes)
    return changed.as_json()


async def delete_ai_token(call: Call) -> None:
    await call.app.call(call.app.ai_tokens.remove, call.id)


async def list_users(call: Call) -> Json:
    def read() -> Json:
        users, total = call.app.accounts.list_users(call.query.limit, call.query.offset)
        figures = call.app.census.of_users([user.id for user in users])
        return {"users": [_user_json(user, figures[user.id]) for user in users], "total": total}

    return await call.app.call(read)


async def show_user(call: Call) -> Json:
    return await call.app.call(_one_user, call)


async def change_user(call: Call) -> Json:
    def change() -> Json:
        if call.id == call.user_id and not call.body.is_active:
            raise Conflict(
                "Себя не отключить: попросите другого администратора.",
                "You cannot disable yourself: ask another administrator.",
            )
        call.app.accounts.change_user(call.id, call.body.model_dump(exclude_unset=True))
        return _one_user(call)

    return await call.app.call(change)


async def list_audit(call: Call) -> Json:
    rows, total = await call.app.call(call.app.accounts.audit.list, AuditFilter(**call.query.model_dump()))
    return {"events": [row.as_json() for row in rows], "total": total}


def _one_user(call: Call) -> Json:
    user = call.app.accounts.get(call.id)
    own = user.full_json()
    more = {name: own[name] for name in ("welcome_bonus", "plan", "onboarding_completed")}
    return {**_user_json(user, call.app.census.of_users([user.id])[user.id]), **more, "owner_id": user.owner_id}


async def credit_user(call: Call) -> Json:
    def credit() -> Json:
        call.app.ledger.credit(
            call.id,
            kopecks(call.body.amount),
            kind="credit",
            key=f"admin:{call.user_id}:{secrets.token_hex(12)}",
            description=call.body.description.strip()[:200] or CREDIT,
        )
        return call.app.ledger.balance(call.id).as_json()

    return await call.app.call(credit)


def _user_json(user: UserView, figures: UserFigures) -> Json:
    own = user.full_json()
    kept = ("id", "email", "first_name", "last_name", "is_admin", "balance", "role")
    return {
        **{name: own[name] for name in kept},
        **figures.as_json(),
        "is_active": user.is_active,
        "created_at": own["created_at"],
        "last_login_at": iso(user.last_login_at) if user.last_login_at else None,
    }
