"""The gate before every route: who is asking, may they, not too often. In a thread, before any body is read."""

from __future__ import annotations

from replyx.errors import InsufficientPermissions, NotAuthenticated, RateLimited
from replyx.server.endpoint import Call, Endpoint, Permission
from replyx.server.limits import peer_of
from replyx.server.origins import header
from replyx.server.widget_door import require_origin
from replyx.types import Role


def enter(call: Call, endpoint: Endpoint) -> None:
    """Prove the caller and count the call.

    Raises:
        NotAuthenticated, TokenExpired: the token is missing or no good. InsufficientPermissions: not for this caller,
            or not from this origin. NotFound: the visitor's dialog is another. RateLimited: too often.
    """
    try:
        _admit(call, endpoint)
    except (NotAuthenticated, InsufficientPermissions, RateLimited) as error:
        action = _REFUSALS.get(type(error))
        # Who sends nothing, or what was good a while ago, tries nothing.
        if action is not None and (call.is_proving or not isinstance(error, NotAuthenticated)):
            call.app.accounts.audit.refuse(action, f"{endpoint.method} {endpoint.path}")
        raise


def _admit(call: Call, endpoint: Endpoint) -> None:
    try:
        subject = _PROOFS[endpoint.permission](call)
    except NotAuthenticated:
        # Guessing is counted where it comes from.
        call.front.limits.count(endpoint.limit, peer_of(call.request.scope.get("client")), call.context)
        raise
    call.front.limits.count(endpoint.limit, subject, call.context)
    if call.actor.role not in _ROLES.get(endpoint.permission, Role):
        raise InsufficientPermissions


def bearer_token(call: Call) -> str:
    """The token of `Authorization: Bearer …`. Raises NotAuthenticated where there is none, or several headers."""
    scheme, _, token = (header(call.request.scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated
    return token.strip()


def _anonymous(call: Call) -> str:
    return peer_of(call.request.scope.get("client"))


def _user(call: Call) -> str:
    call.credential = bearer_token(call)
    call.actor = call.app.accounts.authenticate(call.credential)
    call.caller.user_id = call.actor.user_id
    return f"user:{call.actor.user_id}"


def _api_key(call: Call) -> str:
    call.credential = bearer_token(call)
    call.actor = call.app.api_keys.authenticate(call.credential)
    call.caller.user_id = call.actor.user_id
    return f"user:{call.actor.user_id}"


def _site(call: Call) -> str:
    call.assistant = call.app.assistants.by_site_token(header(call.request.scope, b"x-site-token") or "")
    _check_origin(call, needs_one=True)
    return peer_of(call.request.scope.get("client"))


def _visitor(call: Call) -> str:
    call.credential = bearer_token(call)
    key = str(call.request.path_params["key"])
    call.actor = call.app.sessions.authenticate(call.credential, key)
    dialog = call.app.dialogs.get(call.actor, call.dialog_id)
    call.assistant = call.app.assistants.get_open(dialog.assistant_id)
    # A browser leaves the origin out of what a page reads from its own server, and only of that.
    _check_origin(call, needs_one=call.request.method not in ("GET", "HEAD"))
    return f"visitor:{call.dialog_id}"


def _check_origin(call: Call, *, needs_one: bool) -> None:
    origin = header(call.request.scope, b"origin")
    if origin is None and not needs_one:
        return
    own = call.front.origins.own(call.request.scope)
    require_origin(call.app, call.site, origin, own)
    if origin not in own:
        call.context.allow_origin = origin


#: Who may, of those who have proven who they are.
_ROLES = {
    Permission.DESK: (Role.OPERATOR, Role.OWNER, Role.ADMIN),
    Permission.USER: (Role.OWNER, Role.ADMIN),
    Permission.ADMIN: (Role.ADMIN,),
}

#: What the audit log calls a refusal. An expired token is none.
_REFUSALS: dict[type[Exception], str] = {
    NotAuthenticated: "auth.refused",
    InsufficientPermissions: "permission.refused",
    RateLimited: "rate.limited",
}

_PROOFS = {
    Permission.ANONYMOUS: _anonymous,
    Permission.DESK: _user,
    Permission.USER: _user,
    Permission.ADMIN: _user,
    Permission.VISITOR: _visitor,
    Permission.SITE: _site,
    Permission.API_KEY: _api_key,
}
