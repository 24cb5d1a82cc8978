"""The door of the socket: who is it, may they listen to this dialog, from this page. Runs in a thread."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from replyx.app import App
from replyx.dialogs.views import DialogView
from replyx.errors import InsufficientPermissions, NotAuthenticated, TokenExpired
from replyx.server.widget_door import require_origin
from replyx.server.ws.hub import Hub
from replyx.server.ws.topic import Topic
from replyx.types import SYSTEM, Actor, Channel, Role

#: Digits of the largest id; a dialog's key is longer.
_LONGEST_ID = 18


@dataclass(frozen=True)
class Entry:
    """What a socket was let in for. `head` was read after the topic was opened."""

    actor: Actor
    dialog_id: int
    assistant_id: int
    channel: Channel
    topic: Topic
    head: int
    #: The other site that a visitor's page is on; None for the appliance's own pages and for users.
    foreign_origin: str | None


def enter(app: App, hub: Hub, name: str, token: str, origin: str | None, own_origins: Collection[str]) -> Entry:
    """Let a socket in to the dialog `name`: an id for a user's token or ticket, the key for a visitor's token.

    Raises:
        NotAuthenticated, TokenExpired: the token is no good. NotFound: no such dialog for it.
        InsufficientPermissions: the page's origin is refused.
    """
    by_id = name.isascii() and name.isdigit() and len(name) <= _LONGEST_ID
    with _refusals_noted(app):
        actor = _user(app, token) if by_id else app.sessions.authenticate(token, name)
    dialog = app.dialogs.get(actor, int(name) if by_id else actor.dialog_id or 0)
    foreign = None if origin is None or origin in own_origins else origin
    if actor.role is Role.VISITOR:
        require_origin(app, app.assistants.get_open(dialog.assistant_id), origin, own_origins)
    else:
        _check_users_page(app, dialog, foreign)
        foreign = None
    topic = hub.watch(dialog.id)
    try:
        # Gone meanwhile: then the next comparison with the record closes it.
        head = app.outbox.heads([dialog.id]).get(dialog.id, dialog.last_seq)
    except BaseException:
        hub.release(topic)
        raise
    return Entry(actor, dialog.id, dialog.assistant_id, Channel(dialog.platform), topic, head, foreign)


def prove_again(app: App, actor: Actor, token: str) -> Actor:
    """The same user or visitor as `actor`, by a newer token: the socket lives as long as that one.

    Raises:
        NotAuthenticated, TokenExpired: the token is no good, or another's. NotFound: another dialog's.
    """
    with _refusals_noted(app):
        if actor.role is Role.VISITOR:
            return app.sessions.authenticate_again(token, actor.dialog_id or 0)
        again = _user(app, token)
        if again.user_id != actor.user_id:
            raise NotAuthenticated
        return again


@contextmanager
def _refusals_noted(app: App) -> Iterator[None]:
    """Write into the audit log who tried to get in; what was good a while ago tries nothing."""
    try:
        yield
    except TokenExpired:
        raise
    except NotAuthenticated:
        app.accounts.audit.refuse("auth.refused", "socket")
        raise


def _user(app: App, token: str) -> Actor:
    try:
        return app.accounts.authenticate(token)
    except TokenExpired:
        raise
    except NotAuthenticated:
        return app.accounts.authenticate_ticket(token)


def _check_users_page(app: App, dialog: DialogView, foreign_origin: str | None) -> None:
    """Programs send no origin; a page of another site must be one that the assistant lists."""
    if foreign_origin is None:
        return
    assistant = app.assistants.get(SYSTEM, dialog.assistant_id)
    if not app.assistants.origin_allowed(assistant, foreign_origin, ()):
        raise InsufficientPermissions
