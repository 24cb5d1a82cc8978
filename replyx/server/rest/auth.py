"""/api/auth and /api/ws-ticket: logging in, registering, logging out."""

from __future__ import annotations

from replyx.accounts.logins import TICKET_SECONDS
from replyx.accounts.views import UserView
from replyx.errors import RateLimited
from replyx.server.bodies import Body, Text
from replyx.server.endpoint import Call
from replyx.server.limits import Limit, peer_of
from replyx.types import Json


class Login(Body):
    email: str
    password: str
    totp_code: Text | None = None


class Register(Body):
    email: Text
    password: Text
    first_name: Text = ""
    last_name: Text = ""


def session_json(token: str, user: UserView) -> Json:
    """What a login answers."""
    return {"access_token": token, "token_type": "bearer", "user": user.login_json()}


async def login(call: Call) -> Json:
    def attempt() -> Json:
        # Beside the address, which the gate has counted: guesses from many addresses at one account.
        account = call.body.email.strip().casefold()
        try:
            call.front.limits.count(Limit.LOGIN, f"account:{account}", call.context)
        except RateLimited:
            call.app.accounts.audit.refuse("rate.limited", "POST /api/auth/login")
            raise
        return session_json(*call.app.accounts.login(**call.body.model_dump()))

    return await call.app.call(attempt)


async def register(call: Call) -> Json:
    def sign_up() -> Json:
        if call.app.verification.is_on:
            # Beside the requests, which the gate has counted: each sends a letter to whatever address was typed.
            call.front.limits.count(Limit.LETTER, f"new:{peer_of(call.request.scope.get('client'))}", call.context)
        reached = {"language": call.language, "link_base": call.front.origins.base_url}
        user = call.app.registration.sign_up(**call.body.model_dump(), **reached)
        return session_json(call.app.accounts.issue_access(user), user)

    return await call.app.call(sign_up)


async def logout(call: Call) -> Json:
    await call.app.call(call.app.accounts.logout, call.credential)
    return {"status": "ok"}


async def refresh(call: Call) -> Json:
    return session_json(*await call.app.call(call.app.accounts.refresh, call.credential))


async def make_ticket(call: Call) -> Json:
    ticket = await call.app.call(call.app.accounts.issue_ticket, call.actor)
    return {"ticket": ticket, "expires_in": TICKET_SECONDS}
