"""Who may open a socket, from where; and that an ended right ends the socket within two seconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from replyx.accounts.accounts import Accounts
from replyx.accounts.tokens import BELIEVED_SECONDS, Tokens
from replyx.events.memory import MemoryBus
from replyx.security.master_key import load_master_key
from replyx.security.secretbox import SecretBox
from replyx.security.tokens import TokenKind
from replyx.server.ws.revocation import REVOCATION_SECONDS
from tests.edges.conftest import Build
from tests.edges.test_rest_widget import REFUSED_ORIGINS
from tests.support.house import PASSWORD, SITE, House
from tests.support.http import Socket


def test_what_is_believed_of_a_right_and_when_it_is_looked_at_make_less_than_two_seconds() -> None:
    # The sum is compared and not a close timed, since a busy machine delays both the server and the test's client.
    assert BELIEVED_SECONDS + REVOCATION_SECONDS < 2


def _open(house: House, path: str, **headers: str) -> Socket:
    return house.stack.enter_context(house.api().socket(path, **headers))


def _is_open(socket: Socket) -> bool:
    socket.send({"type": "resume", "last_seq": 999})
    try:
        return bool(socket.next()["type"] == "resync")
    except ConnectionClosed:
        return False


def test_nobody_hears_a_dialog_that_is_not_theirs(house: House) -> None:
    assistant = house.assistant()
    mine, other = house.session(assistant), house.session(assistant)
    key, token = mine["dialog_key"], mine["visitor_token"]
    boris, admin = house.token(house.boris), house.token(house.admin)
    expired = house.app.tokens.issue(TokenKind.VISITOR, key, -5, did=mine["dialog_id"])
    for path, code in (
        (f"/ws/dialogs/{mine['dialog_id']}?token={boris}", 4404),
        (f"/ws/dialogs/{mine['dialog_id']}?token={admin}", 4404),
        (f"/ws/dialogs/999999?token={boris}", 4404),
        (f"/ws/dialogs/{10**17}?token={boris}", 4404),
        (f"/ws/dialogs/{other['dialog_key']}?token={token}", 4404),
        (f"/ws/dialogs/{mine['dialog_id']}?token={token}", 4401),
        (f"/ws/dialogs/{key}?token={boris}", 4401),
        (f"/ws/dialogs/{key}?token={assistant['site_token']}", 4401),
        (f"/ws/dialogs/{key}?token={expired}", 4401),
        (f"/ws/dialogs/{key}?token=forged", 4401),
        (f"/ws/dialogs/{key}?token={token}&token={token}", 4401),
    ):
        socket = _open(house, path, Origin=SITE)
        if "&" in path:
            socket.send({"type": "typing"})
        assert socket.close_code() == code, path
        assert socket.frames == []


def test_only_listed_origins_may_listen(house: House) -> None:
    session = house.session(house.assistant(allowed_domains=["shop.example", "*.shop.ru"]))
    path = f"/ws/dialogs/{session['dialog_key']}?token={session['visitor_token']}"

    for origin in REFUSED_ORIGINS:
        socket = _open(house, path, Origin=origin)
        assert socket.close_code() == 4403, origin
        assert socket.frames == []
    assert _open(house, path).close_code() == 4403
    for origin in (SITE, "https://a.shop.ru", house.url):
        assert _is_open(_open(house, path, Origin=origin))


def test_a_users_socket_comes_from_programs_and_own_pages(house: House) -> None:
    session = house.session(house.assistant())
    path = f"/ws/dialogs/{session['dialog_id']}?token={house.token(house.anna)}"

    for headers in ({}, {"Origin": house.url}, {"Origin": SITE}):
        assert _is_open(_open(house, path, **headers))
    assert _open(house, path, Origin="https://evil.example").close_code() == 4403


def test_a_ticket_opens_one_socket(house: House) -> None:
    session = house.session(house.assistant())
    ticket = house.api(house.anna).post("/api/ws-ticket", expect=201)["ticket"]
    path = f"/ws/dialogs/{session['dialog_id']}"

    first = _open(house, path)
    first.send({"type": "auth", "token": ticket})

    assert _is_open(first)
    assert _open(house, f"{path}?token={ticket}").close_code() == 4401


def test_whoever_does_not_prove_itself_in_time_is_closed(house: House) -> None:
    session = house.session(house.assistant())
    silent = _open(house, session["socket_url"], Origin=SITE)
    wrong = _open(house, session["socket_url"], Origin=SITE)
    broken = _open(house, session["socket_url"], Origin=SITE)

    wrong.send({"type": "send_message", "text": "x"})
    broken.send("{")

    assert wrong.close_code() == 4401
    assert broken.close_code() == 4401
    assert silent.connection.close_code is None
    assert silent.close_code() == 4401
    assert house.visitor(session).get(f"/api/widget/dialogs/{session['dialog_key']}/messages")["messages"] == []


def _change_password(house: House) -> None:
    body = {"current_password": PASSWORD, "new_password": "another-8y-good"}
    house.api(house.anna).post("/api/users/change-password", body)


def _quietly(house: House) -> Accounts:
    """Accounts as another process has them that shares the database and no bus: the command line."""
    app, bus, key = house.app, MemoryBus(), load_master_key(house.app.config)
    tokens = Tokens(app.db, bus, app.clock, key)
    return Accounts(app.db, bus, app.clock, tokens, app.config, SecretBox(key))


_ENDS_OF_A_USERS_RIGHT: dict[str, Callable[[House, str], object]] = {
    "logout": lambda house, token: house.api(Authorization=f"Bearer {token}").post("/api/auth/logout"),
    "logout elsewhere": lambda house, token: _quietly(house).logout(token),
    "another password": lambda house, _: _change_password(house),
    "another password, set elsewhere": lambda house, _: _quietly(house).set_password(house.anna.id, "another-8y-good"),
    "disabled": lambda house, _: house.app.accounts.set_active(house.anna.id, active=False),
    "disabled elsewhere": lambda house, _: _quietly(house).set_active(house.anna.id, active=False),
    "deleted": lambda house, _: house.app.accounts.delete_user(house.anna.id),
}


@pytest.mark.parametrize("end", _ENDS_OF_A_USERS_RIGHT)
def test_a_users_ended_right_ends_the_socket(house: House, end: str) -> None:
    session = house.session(house.assistant())
    token = house.token(house.anna)
    socket = house.desk_socket(house.anna, session["dialog_id"], token)
    assert _is_open(socket)

    _ENDS_OF_A_USERS_RIGHT[end](house, token)

    assert socket.close_code() in (4401, 4404)


_ENDS_OF_A_VISITORS_RIGHT: dict[str, tuple[int, Callable[[House, str], object]]] = {
    "domain removed": (4403, lambda house, path: house.api(house.anna).put(path, {"allowed_domains": []})),
    "switched off": (4401, lambda house, path: house.api(house.anna).put(path, {"is_active": False})),
    "off the website": (4401, lambda house, path: house.api(house.anna).put(path, {"website_integration": False})),
    "assistant deleted": (4404, lambda house, path: house.api(house.anna).delete(path)),
    "owner disabled elsewhere": (4401, lambda house, _: _quietly(house).set_active(house.anna.id, active=False)),
}


@pytest.mark.parametrize("end", _ENDS_OF_A_VISITORS_RIGHT)
def test_a_visitors_ended_right_ends_the_socket(house: House, end: str) -> None:
    assistant = house.assistant()
    socket = house.socket(house.session(assistant))
    assert _is_open(socket)
    code, act = _ENDS_OF_A_VISITORS_RIGHT[end]

    act(house, f"/api/assistants/{assistant['id']}")

    assert socket.close_code() == code


def test_a_deleted_dialog_ends_its_sockets(house: House) -> None:
    session = house.session(house.assistant())
    visitor, operator = house.socket(session), house.desk_socket(house.anna, session["dialog_id"])
    assert _is_open(visitor)
    assert _is_open(operator)

    house.api(house.anna).delete(f"/api/dialogs/{session['dialog_id']}")

    assert visitor.close_code() == 4404
    assert operator.close_code() == 4404


def test_another_replaced_site_token_ends_nothing(house: House) -> None:
    assistant = house.assistant()
    socket = house.socket(house.session(assistant))

    house.api(house.anna).post(f"/api/assistants/{assistant['id']}/site-token")

    assert _is_open(socket)


def test_tokens_of_sockets_reach_no_log(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    house = build()
    session = house.session(house.assistant())
    assert _is_open(house.socket(session))
    house.serving.end()

    served = [row for row in caplog.records if row.name.startswith(("replyx", "uvicorn", "websockets.server"))]
    assert session["visitor_token"] not in " ".join(f"{row.getMessage()} {vars(row)}" for row in served)
