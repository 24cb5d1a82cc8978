"""A whole ReplyX that serves in this process: real HTTP and sockets on the loopback, the services at hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from replyx.accounts.views import UserView
from replyx.app import App, open_app
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.server.serve import run_server
from replyx.worker.running import run_worker
from tests.support.http import Api, Json, Socket

#: The password of everyone here.
PASSWORD = "long-enough-7x"

#: The site of the assistants here.
SITE = "https://shop.example"


class Serving:
    """`run_server` in a thread, and a worker beside it where one is wanted."""

    def __init__(self, app: App, *, with_worker: bool) -> None:
        self._stop, self._ready = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self.url = ""
        self._threads = [threading.Thread(target=self._serve, args=(app,), name="server")]
        if with_worker:
            self._threads.append(threading.Thread(target=run_worker, args=(app, self._stop), name="worker"))
        for thread in self._threads:
            thread.start()
        if not self._ready.wait(20) or self._failure is not None:
            self.end()
            pytest.fail(f"the server did not start: {self._failure!r}")

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _serve(self, app: App) -> None:
        try:
            run_server(app, self._stop, self._served)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ready.set()

    def _served(self, url: str) -> None:
        self.url = url
        self._ready.set()


@dataclass
class House:
    """A running server, its services, and people: Anna has an account, others get one when they are first named."""

    app: App
    serving: Serving
    stack: ExitStack
    anna: UserView

    @cached_property
    def admin(self) -> UserView:
        return self.app.registration.register("admin@example.com", PASSWORD, is_admin=True)

    @cached_property
    def boris(self) -> UserView:
        """Another tenant."""
        return self.app.registration.register("boris@example.com", PASSWORD, "Борис", opening_balance=100_000)

    def operator(self, name: str = "olga") -> UserView:
        """A new operator of Anna's."""
        return self.app.registration.register(f"{name}@example.com", PASSWORD, operator_of=self.anna.id)

    @property
    def url(self) -> str:
        return self.serving.url

    def token(self, user: UserView) -> str:
        return self.app.accounts.issue_access(user)

    def api(self, user: UserView | None = None, /, **headers: str) -> Api:
        """REST as `user`, or as nobody."""
        return self.stack.enter_context(Api(self.url, self.token(user) if user else None, **headers))

    def assistant(self, user: UserView | None = None, **fields: Any) -> Json:
        """An assistant of `user` (Anna's, if nobody is named) with its widget on `SITE`."""
        body = {"name": "Техподдержка", "website_integration": True, "allowed_domains": ["shop.example"], **fields}
        made: Json = self.api(user or self.anna).post("/api/assistants", body, expect=201)
        return made

    def session(self, assistant: Json, origin: str = SITE, **body: Any) -> Json:
        """A visitor's session with the assistant."""
        opened: Json = self.api(Origin=origin).post(
            "/api/widget/sessions", body, expect=201, headers={"X-Site-Token": assistant["site_token"]}
        )
        return opened

    def visitor(self, session: Json, origin: str = SITE) -> Api:
        """REST as the visitor of the session."""
        return self.stack.enter_context(Api(self.url, session["visitor_token"], Origin=origin))

    def socket(self, session: Json, origin: str = SITE) -> Socket:
        """The visitor's socket; it hears everything from now on, unless it was refused."""
        path = f"/ws/dialogs/{session['dialog_key']}?token={session['visitor_token']}"
        return self.stack.enter_context(self.api().socket(path, Origin=origin)).let_in()

    def desk_socket(self, user: UserView, dialog_id: int, token: str | None = None) -> Socket:
        """An operator's socket, likewise."""
        path = f"/ws/dialogs/{dialog_id}?token={token or self.token(user)}"
        return self.stack.enter_context(self.api().socket(path)).let_in()


@contextmanager
def open_house(config: Config, *, with_worker: bool = False, clock: Clock | None = None) -> Iterator[House]:
    """A `House` that is gone when the block ends."""
    app = open_app(config, clock=clock)
    with ExitStack() as stack:
        stack.callback(app.close)
        anna = app.registration.register("anna@example.com", PASSWORD, "Анна", opening_balance=100_000)
        serving = Serving(app, with_worker=with_worker)
        stack.callback(serving.end)
        yield House(app, serving, stack, anna)
