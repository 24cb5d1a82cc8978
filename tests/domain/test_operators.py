"""Operators: made for an owner, gone with the owner, and never two on one dialog."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from replyx.accounts.views import UserView
from replyx.errors import Conflict, InsufficientPermissions, NotFound, ValidationFailed
from replyx.types import Actor, Handoff, Role
from tests.support.desk import Desk

PASSWORD = "correct-horse-7"


def _operator(desk: Desk, name: str = "olga") -> UserView:
    return desk.app.registration.register(f"{name}@example.com", PASSWORD, operator_of=desk.user.id)


def _acting(user: UserView) -> Actor:
    return Actor(user.role, user_id=user.id, owner_id=user.owner_id)


def test_an_operator_has_an_owner_and_no_money(desk: Desk) -> None:
    made = _operator(desk)
    token, user = desk.app.accounts.login("olga@example.com", PASSWORD)
    actor = desk.app.accounts.authenticate(token)

    assert (user.id, user.role, user.owner_id, user.balance, user.welcome_bonus) == (
        made.id, Role.OPERATOR, desk.user.id, 0, 0,
    )  # fmt: skip
    assert (actor.role, actor.user_id, actor.tenant_id, actor.is_admin) == (Role.OPERATOR, made.id, desk.user.id, False)
    assert desk.owner.tenant_id == desk.user.id
    with pytest.raises(InsufficientPermissions):
        desk.app.assistants.create(actor, name="Свой")
    assert desk.app.assistants.list_for(actor) == ([], 0)
    assert desk.app.knowledge.list_documents(actor) == ([], 0)


def test_only_an_owner_has_operators(desk: Desk) -> None:
    operator, register = _operator(desk), desk.app.registration.register

    with pytest.raises(ValidationFailed):
        register("x@example.com", PASSWORD, operator_of=operator.id)
    with pytest.raises(ValidationFailed):
        register("x@example.com", PASSWORD, operator_of=desk.user.id, is_admin=True)
    with pytest.raises(NotFound):
        register("x@example.com", PASSWORD, operator_of=404)


def test_operators_go_with_their_owner(desk: Desk) -> None:
    operator = _operator(desk)
    desk.app.accounts.delete_user(desk.user.id)

    with pytest.raises(NotFound):
        desk.app.accounts.get(operator.id)


def test_of_many_operators_who_take_a_dialog_one_has_it(desk: Desk) -> None:
    people = [_acting(_operator(desk, f"op{number}")) for number in range(20)]
    for _ in range(3):
        dialog_id, together = desk.open_dialog(), Barrier(len(people))

        def take(actor: Actor, dialog_id: int = dialog_id, together: Barrier = together) -> int | None:
            together.wait(20)
            try:
                return desk.app.handoffs.take(actor, dialog_id).taken_over_by
            except Conflict:
                return None

        with ThreadPoolExecutor(len(people)) as pool:
            taken = [winner for winner in pool.map(take, people) if winner is not None]
        assert len(taken) == 1
        assert desk.app.dialogs.get(desk.owner, dialog_id).taken_over_by == taken[0]
        assert desk.event_types(dialog_id).count("handoff_started") == 1


def test_an_operator_does_not_release_anothers_dialog_and_the_owner_does(desk: Desk) -> None:
    olga, ivan = _acting(_operator(desk, "olga")), _acting(_operator(desk, "ivan"))
    dialog_id = desk.open_dialog()
    desk.app.handoffs.take(olga, dialog_id)

    with pytest.raises(Conflict):
        desk.app.handoffs.release(ivan, dialog_id)
    assert desk.app.handoffs.release(desk.owner, dialog_id).handoff_status == Handoff.RELEASED
    with pytest.raises(InsufficientPermissions):
        desk.app.handoffs.take(olga, dialog_id, operator_id=ivan.user_id)
