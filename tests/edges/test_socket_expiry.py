"""Sockets and time: one ends with the token that opened it, unless a newer token follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from replyx.accounts.logins import TICKET_SECONDS
from replyx.security.tokens import TokenKind
from tests.edges.conftest import Build
from tests.support.clock import MovableClock
from tests.support.house import SITE, House
from tests.support.http import Json, Socket

#: Seconds that an access token is good for here, and a visitor's.
_HOUR, _DAY = 3600, 86_400

#: Seconds to wait for a close, which should come within two; the machine may be busy.
_PATIENCE = 30


@dataclass
class Hotel:
    """A house whose clock stands still until a test moves it, and a dialog in it."""

    house: House
    clock: MovableClock
    session: Json

    def open(self, token: str) -> Socket:
        """A user's socket that has been heard of: the server has let it in."""
        return _settled(self.house.desk_socket(self.house.anna, self.session["dialog_id"], token))

    def visit(self, token: str) -> Socket:
        """The visitor's socket, likewise."""
        return _settled(self.house.socket({**self.session, "visitor_token": token}))

    def refresh(self, token: str) -> str:
        answer = self.house.api(Authorization=f"Bearer {token}").post("/api/auth/refresh", expect=200)
        return str(answer["access_token"])

    def ticket(self, token: str) -> str:
        answer = self.house.api(Authorization=f"Bearer {token}").post("/api/ws-ticket", expect=201)
        return str(answer["ticket"])

    def visitor_token(self, seconds: int) -> str:
        key, dialog_id = self.session["dialog_key"], self.session["dialog_id"]
        return self.house.app.tokens.issue(TokenKind.VISITOR, key, seconds, did=dialog_id)

    def advance_past(self, seconds: float) -> None:
        """Let time pass, and wait until the server has seen it: a socket whose time was over then is closed."""
        witness = self.visit(self.visitor_token(int(seconds)))
        self.clock.advance(seconds)
        assert witness.close_code(_PATIENCE) == 4401


@pytest.fixture
def hotel(build: Build) -> Hotel:
    clock = MovableClock()
    house = build(
        clock=clock,
        REPLYX_SECURITY__ACCESS_TOKEN_MINUTES="60",
        REPLYX_SECURITY__SESSION_DAYS="1",
        REPLYX_SECURITY__VISITOR_TOKEN_DAYS="1",
    )
    return Hotel(house, clock, house.session(house.assistant()))


def _settled(socket: Socket) -> Socket:
    assert _is_open(socket)
    return socket


def _is_open(socket: Socket) -> bool:
    socket.send({"type": "resume", "last_seq": 999})
    return bool(socket.next()["type"] == "resync")


_OPENED_BY: dict[str, Callable[[Hotel], Socket]] = {
    "token in the URL": lambda hotel: hotel.open(hotel.house.token(hotel.house.anna)),
    "ticket": lambda hotel: hotel.open(hotel.ticket(hotel.house.token(hotel.house.anna))),
}


@pytest.mark.parametrize("opened_by", _OPENED_BY)
def test_a_users_socket_ends_with_the_token(hotel: Hotel, opened_by: str) -> None:
    socket = _OPENED_BY[opened_by](hotel)
    hotel.advance_past(max(TICKET_SECONDS, _HOUR - 1))
    assert _is_open(socket)

    hotel.clock.advance(1)

    assert socket.close_code(_PATIENCE) == 4401


def test_a_visitors_socket_ends_with_the_token(hotel: Hotel) -> None:
    socket = hotel.visit(hotel.session["visitor_token"])
    hotel.advance_past(_DAY - 1)
    assert _is_open(socket)

    hotel.clock.advance(1)

    assert socket.close_code(_PATIENCE) == 4401


def test_a_refreshed_session_keeps_its_sockets_until_the_session_is_over(hotel: Hotel) -> None:
    token = hotel.house.token(hotel.house.anna)
    by_token, by_ticket = hotel.open(token), hotel.open(hotel.ticket(token))
    for _ in range(26):
        hotel.clock.advance(55 * 60)
        token = hotel.refresh(token)
        assert _is_open(by_token)

    # The session has ten minutes left, and the last refreshed token with it.
    hotel.advance_past(9 * 60)
    assert _is_open(by_token)
    assert _is_open(by_ticket)
    hotel.clock.advance(60)

    assert by_token.close_code(_PATIENCE) == 4401
    assert by_ticket.close_code(_PATIENCE) == 4401


def test_a_refreshed_session_keeps_nobody_elses_sockets(hotel: Hotel) -> None:
    token, other = hotel.house.token(hotel.house.anna), hotel.house.token(hotel.house.anna)
    mine, theirs = hotel.open(token), hotel.open(other)
    hotel.clock.advance(_HOUR - 60)
    hotel.refresh(token)

    hotel.clock.advance(60)

    assert theirs.close_code(_PATIENCE) == 4401
    assert _is_open(mine)


def test_a_newer_token_over_the_socket_itself_keeps_it(hotel: Hotel) -> None:
    visitor, user = hotel.visit(hotel.session["visitor_token"]), hotel.open(hotel.house.token(hotel.house.anna))
    hotel.clock.advance(_HOUR - 60)

    # Another login's token: what counts is that it is the same user.
    user.send({"type": "auth", "token": hotel.ticket(hotel.house.token(hotel.house.anna))})
    visitor.send({"type": "auth", "token": hotel.visitor_token(2 * _DAY)})
    assert _is_open(user)
    assert _is_open(visitor)

    hotel.advance_past(_HOUR - 1)
    assert _is_open(user)
    hotel.clock.advance(1)
    assert user.close_code(_PATIENCE) == 4401
    hotel.advance_past(_DAY)
    visitor.send({"type": "send_message", "text": "Я ещё здесь"})
    assert visitor.next()["message"]["text"] == "Я ещё здесь"


def test_a_token_of_somebody_else_changes_nothing(hotel: Hotel) -> None:
    house = hotel.house
    other, anna = house.session(house.assistant()), house.token(house.anna)
    user, visitor = hotel.open(anna), hotel.visit(hotel.session["visitor_token"])
    for socket, token, code in (
        (user, house.token(house.boris), "NOT_AUTHENTICATED"),
        (user, hotel.session["visitor_token"], "NOT_AUTHENTICATED"),
        (user, "forged", "NOT_AUTHENTICATED"),
        (visitor, other["visitor_token"], "NOT_FOUND"),
        (visitor, anna, "NOT_AUTHENTICATED"),
        (visitor, hotel.visitor_token(-1), "TOKEN_EXPIRED"),
    ):
        socket.send({"type": "auth", "token": token})
        assert socket.next()["error"]["code"] == code
        assert _is_open(socket)

    hotel.clock.advance(_DAY)

    assert user.close_code(_PATIENCE) == 4401
    assert visitor.close_code(_PATIENCE) == 4401


def test_a_visitor_that_comes_back_in_time_has_a_newer_token(hotel: Hotel) -> None:
    token = hotel.session["visitor_token"]
    hotel.clock.advance(_DAY - 60)
    again = hotel.house.session({"site_token": _site_token(hotel)}, SITE, visitor_token=token)

    hotel.clock.advance(120)

    assert again["dialog_key"] == hotel.session["dialog_key"]
    assert _is_open(hotel.visit(again["visitor_token"]))


def _site_token(hotel: Hotel) -> str:
    [assistant] = hotel.house.api(hotel.house.anna).get("/api/assistants")
    return str(assistant["site_token"])
