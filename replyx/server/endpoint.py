"""A route as data: its URL, who may call it, what it takes, what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from starlette.requests import Request

from replyx.app import App
from replyx.assistants.views import AssistantView
from replyx.errors import NotAuthenticated
from replyx.events.audit import Caller
from replyx.server.attempts import Attempt
from replyx.server.context import RequestContext, context_of
from replyx.server.front import Front
from replyx.server.limits import Limit
from replyx.types import Actor, Json, Role

T = TypeVar("T")


class Permission(StrEnum):
    """Who may call a route; what it takes to prove it is in `gate.py`."""

    ANONYMOUS = "anonymous"
    #: Anyone who is logged in: owners, administrators, and the operators of a tenant.
    DESK = "desk"
    #: Owners and administrators, of what is their own.
    USER = "user"
    ADMIN = "admin"
    #: A widget's visitor, of the one dialog in the URL.
    VISITOR = "visitor"
    #: A page that holds an assistant's site token.
    SITE = "site"
    #: A program with one of the tenant's API keys.
    API_KEY = "api_key"


@dataclass
class Call:
    """One request to one route, after the gate."""

    front: Front
    request: Request
    actor: Actor = Actor(Role.ANONYMOUS)
    #: Who the audit log says it was.
    caller: Caller = field(default_factory=Caller)
    #: The token that proved the actor.
    credential: str = ""
    #: The assistant of the site token or of the visitor's dialog.
    assistant: AssistantView | None = None
    body: Any = None
    query: Any = None
    #: What the request's `Idempotency-Key` has begun; None where there is none.
    attempt: Attempt | None = None

    @property
    def app(self) -> App:
        return self.front.app

    @property
    def context(self) -> RequestContext:
        return context_of(self.request.scope)

    @property
    def language(self) -> str:
        return self.context.language

    @property
    def id(self) -> int:
        """The row's id in the URL."""
        return cast(int, self.request.path_params["id"])

    @property
    def user_id(self) -> int:
        """The user who calls. Raises NotAuthenticated where nobody has proven to be one."""
        if self.actor.user_id is None:
            raise NotAuthenticated
        return self.actor.user_id

    @property
    def dialog_id(self) -> int:
        """The visitor's dialog. Raises NotAuthenticated where no visitor calls."""
        if self.actor.dialog_id is None:
            raise NotAuthenticated
        return self.actor.dialog_id

    @property
    def site(self) -> AssistantView:
        """The assistant whose widget calls. Raises NotAuthenticated where there is none."""
        if self.assistant is None:
            raise NotAuthenticated
        return self.assistant

    @property
    def is_proving(self) -> bool:
        """Whether the request tries to prove anything, by a token of any kind."""
        headers = self.request.headers
        return "authorization" in headers or "x-site-token" in headers

    async def perform(self, effect: Callable[[], Json]) -> Json:
        """Do `effect`, which is one transaction, in a thread; under an `Idempotency-Key` its answer is part of it."""
        if self.attempt is None:
            return await self.app.call(effect)
        return await self.attempt.perform(effect)

    @property
    def claim_id(self) -> int | None:
        """The claimed `Idempotency-Key` in the record; None where there is none."""
        return None if self.attempt is None else self.attempt.claim_id

    def keep(self, answer: Json) -> None:
        """Record what an `Idempotency-Key` is answered; for services to call inside the transaction of the effect."""
        if self.attempt is not None:
            self.attempt.keep(answer)

    def page_of(self, rows: Sequence[T]) -> Sequence[T]:
        """The page that the query asks for, of a list so short that it is always read whole."""
        self.count_items(len(rows))
        return rows[self.query.offset : self.query.offset + self.query.limit]

    def count_items(self, total: int) -> None:
        """Say how many there are of what the answer shows a page of."""
        self.context.headers["X-Total-Count"] = str(total)


#: Answers JSON (a dict or a list), None for no content, or a Response.
Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """One method of one URL."""

    method: str
    path: str
    permission: Permission
    handler: Handler
    summary: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    limit: Limit = Limit.API
    #: Whether the same `Idempotency-Key` again is the same request. Without a `body` the handler calls `attempt.claim`.
    idempotent: bool = False
    #: What success answers: a model of `answers.py`, or a list of one; None: nothing, or no JSON.
    answer: Any = None
    #: Further content types of what success answers, where it is, or may be asked to be, no JSON.
    media: tuple[str, ...] = ()
    #: Statuses of its refusals beside those that follow from the fields above.
    errors: tuple[int, ...] = ()
    #: False for pages, which are no part of the API's description.
    in_schema: bool = True

    @property
    def is_widget(self) -> bool:
        """Whether pages of other sites call it."""
        return self.permission in (Permission.SITE, Permission.VISITOR)
