"""/api/users: a user's own profile and password."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from replyx.accounts.telegram_links import CODE_MINUTES
from replyx.server.bodies import Body, Text
from replyx.server.endpoint import Call
from replyx.server.rest.auth import session_json
from replyx.types import Json


class Profile(Body):
    first_name: Text | None = None
    last_name: Text | None = None


class NewPassword(Body):
    current_password: str
    new_password: Text


class TotpCode(Body):
    code: Text


class Password(Body):
    password: str


async def show_me(call: Call) -> Json:
    user = await call.app.call(call.app.accounts.me, call.actor)
    return user.as_json()


async def change_me(call: Call) -> Json:
    user = await call.app.call(call.app.accounts.update_profile, call.actor, **call.body.model_dump())
    return user.as_json()


async def change_password(call: Call) -> Json:
    def change() -> Json:
        call.app.accounts.change_password(call.actor, call.body.current_password, call.body.new_password)
        # Every earlier token has just ended, the caller's too.
        user = call.app.accounts.me(call.actor)
        return session_json(call.app.accounts.issue_access(user), user)

    return await call.app.call(change)


async def export_me(call: Call) -> Response:
    pieces = call.app.tenants.export(call.actor, call.language)
    # Before the answer begins: an error is still told as one.
    first = await call.app.call(next, pieces)

    async def stream() -> AsyncIterator[str]:
        yield first
        while (piece := await call.app.call(next, pieces, "")) != "":
            yield piece

    headers = {"Content-Disposition": 'attachment; filename="replyx-export.json"'}
    return StreamingResponse(stream(), media_type="application/json", headers=headers)


async def delete_me(call: Call) -> None:
    await call.app.call(call.app.tenants.delete_own, call.actor, call.body.password)


async def ask_for_letter(call: Call) -> Json:
    await call.app.call(call.app.verification.ask, call.actor, call.language, call.front.origins.base_url)
    return {"status": "ok"}


async def begin_totp(call: Call) -> Json:
    made = await call.app.call(call.app.accounts.second_factor.begin, call.actor)
    return {"secret": made.secret, "otpauth_uri": made.uri}


async def confirm_totp(call: Call) -> Json:
    await call.app.call(call.app.accounts.second_factor.confirm, call.actor, call.body.code)
    return {"totp_enabled": True}


async def link_telegram(call: Call) -> Json:
    me = await call.app.call(call.app.accounts.me, call.actor)
    code = await call.app.call(call.app.telegram_links.make_code, me.id)
    return {"code": code, "minutes": CODE_MINUTES}


async def unlink_telegram(call: Call) -> None:
    me = await call.app.call(call.app.accounts.me, call.actor)
    await call.app.call(call.app.telegram_links.unlink, me.id)


async def remove_totp(call: Call) -> None:
    await call.app.call(call.app.accounts.second_factor.remove, call.actor, call.body.password)
