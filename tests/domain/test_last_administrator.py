"""Somebody can always administer: the last one cannot go, also where two send each other away at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from replyx.accounts.views import UserView
from replyx.app import App
from replyx.errors import Conflict
from replyx.storage.accounts import User
from replyx.types import Actor, Role
from tests.edges.conftest import Build, build

__all__ = ["build"]

_PASSWORD = "long-enough-7x"


def _able(app: App) -> int:
    with app.db.connection():
        return int(User.select().where(User.is_admin & User.is_active).count())


@pytest.mark.parametrize("way", ["disable", "delete", "leave"])
def test_of_two_administrators_who_send_each_other_away_one_stays(build: Build, database_url: str, way: str) -> None:
    app = build(REPLYX_DATABASE__URL=database_url).app
    stays = app.registration.register("first@example.com", _PASSWORD, is_admin=True)
    send_away: dict[str, Callable[[UserView], None]] = {
        "disable": lambda user: app.accounts.set_active(user.id, False),
        "delete": lambda user: app.tenants.delete(user.id),
        "leave": lambda user: app.tenants.delete_own(Actor(Role.ADMIN, user_id=user.id), _PASSWORD),
    }
    for turn in range(5):
        goes = app.registration.register(f"{way}{turn}@example.com", _PASSWORD, is_admin=True)
        together = threading.Barrier(2)

        def act(user: UserView, together: threading.Barrier = together) -> bool:
            together.wait(20)
            try:
                send_away[way](user)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            went = list(pool.map(act, (stays, goes)))

        assert sorted(went) == [False, True]
        assert _able(app) == 1
        if went[0]:
            stays = goes
    with pytest.raises(Conflict, match="This is the last administrator"):
        send_away[way](stays)
    assert _able(app) == 1


def test_the_command_line_may_delete_the_last_one(build: Build) -> None:
    app = build().app
    last = app.registration.register("only@example.com", _PASSWORD, is_admin=True)
    with pytest.raises(Conflict):
        app.accounts.delete_user(last.id)

    app.accounts.delete_user(last.id, may_be_last=True)

    assert _able(app) == 0
