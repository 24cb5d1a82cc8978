"""Sockets that are silent, slow or far away: pings, closing, and servers that share Redis."""

from __future__ import annotations

import asyncio
import os
import socket as sockets
import threading
from urllib.parse import urlsplit

import pytest
from starlette.types import Message

from replyx.events.catalogue import dialog_topic
from replyx.server.ws.connection import MOST_BYTES, MOST_FRAMES, Connection
from replyx.server.ws.hub import attend
from replyx.server.ws.topic import Topic
from replyx.types import Actor, Role
from tests.edges.conftest import Build
from tests.support.house import SITE, House
from tests.support.http import Json, Socket
from tests.support.processes import Box
from tests.support.programs import wait_until
from tests.support.redis import RedisServer


class _Peer:
    """The other end of a `Connection`: what it was sent, and whether it takes anything."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.is_cut = False

    async def send(self, message: Message) -> None:
        await self.takes.wait()
        self.sent.append(message)

    def connection(self, role: Role | None = Role.VISITOR) -> Connection:
        made = Connection(self.send, self.cut, now=0.0)
        made.actor = Actor(role) if role else None
        return made

    def cut(self) -> None:
        self.is_cut = True


def test_a_socket_is_pinged_every_25_seconds_and_closed_after_60_of_silence() -> None:
    async def run() -> None:
        peer = _Peer()
        connection = peer.connection()
        for second in range(1, 61):
            attend(connection, float(second))
            await asyncio.sleep(0)
        await connection.drained()
        assert [message.get("text") for message in peer.sent] == ["__ping__"] * 2
        attend(connection, 61.0)
        await connection.drained()
        assert (peer.sent[-1]["type"], peer.sent[-1]["code"]) == ("websocket.close", 4408)

    asyncio.run(run())


def test_a_socket_that_has_not_proven_itself_is_closed_after_5_seconds_and_gets_no_ping() -> None:
    async def run() -> None:
        peer = _Peer()
        connection = peer.connection(role=None)
        attend(connection, 4.9)
        assert not connection.is_closing
        attend(connection, 5.1)
        await connection.drained()
        assert [message.get("code") for message in peer.sent] == [4401]

    asyncio.run(run())


@pytest.mark.parametrize(("frames", "size"), [(MOST_FRAMES + 2, 1), (3, MOST_BYTES)])
def test_a_reader_that_takes_nothing_has_a_bounded_queue_and_is_cut_off(frames: int, size: int) -> None:
    async def run() -> None:
        peer = _Peer()
        connection = peer.connection()
        peer.takes.clear()
        for _ in range(frames):
            connection.push("x" * size)
            await asyncio.sleep(0)
        assert connection.close_code == 1013
        assert connection.waiting_bytes == 0
        attend(connection, connection.closed_at + 6)
        assert peer.is_cut
        peer.takes.set()
        await connection.drained()

    asyncio.run(run())


def test_news_that_came_while_a_socket_was_just_joining_is_read_from_the_record() -> None:
    async def run() -> None:
        peer, behind = _Peer(), list[Connection]()
        topic = Topic(1, asyncio.get_running_loop(), behind.append)
        connection = peer.connection()
        topic.connections.add(connection)

        topic.deliver("ai_typing", None, "")
        topic.deliver("new_message", 1, "")
        await connection.drained()

        assert (peer.sent, behind, topic.head) == ([], [connection], 1)

    asyncio.run(run())


def test_a_slow_reader_disturbs_nobody(house: House) -> None:
    session = house.session(house.assistant())
    path = f"/ws/dialogs/{session['dialog_key']}?token={session['visitor_token']}"
    quick = house.socket(session)
    slow = _never_reading(house, path)

    delta = {
        "type": "message_delta",
        "dialog_id": session["dialog_id"],
        "reply_id": 1,
        "index": 0,
        "text": "x" * 60_000,
    }
    for index in range(300):
        house.app.bus.publish(dialog_topic(session["dialog_id"]), {**delta, "index": index})
        assert quick.next()["index"] == index

    wait_until(lambda: _open_sockets(house) == 1, 15, "the slow reader is still held")
    slow.close()
    house.app.bus.publish(dialog_topic(session["dialog_id"]), delta)
    assert quick.next()["type"] == "message_delta"


def _open_sockets(house: House) -> int:
    """How many sockets the server says that it has."""
    rows = [row.detail for row in house.app.beats.list() if row.role == "server"]
    return int(rows[0]["sockets"]) if rows and rows[0] else -1


def _never_reading(house: House, path: str) -> sockets.socket:
    """A raw socket that has shaken hands and will not read."""
    parts = urlsplit(house.url)
    raw = sockets.create_connection((parts.hostname or "", parts.port or 0))
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nOrigin: {SITE}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert raw.recv(300).startswith(b"HTTP/1.1 101 ")
    return raw


def test_a_client_that_vanishes_is_forgotten(house: House) -> None:
    session = house.session(house.assistant())
    clients = [house.socket(session) for _ in range(3)]

    for client in clients[:2]:
        client.connection.socket.shutdown(sockets.SHUT_RDWR)

    clients[2].send({"type": "send_message", "text": "один"})
    assert clients[2].next()["type"] == "new_message"


def test_ten_sockets_write_at_once_and_all_hear_all_in_one_order(both: House) -> None:
    session = both.session(both.assistant())
    both.app.handoffs.take(both.app.accounts.authenticate(both.token(both.anna)), session["dialog_id"])
    clients = [both.socket(session) for _ in range(10)]
    for client in clients:
        client.send({"type": "resume", "last_seq": 0})

    def talk(number: int) -> None:
        for n in range(5):
            clients[number].send({"type": "send_message", "text": f"{number}.{n}", "client_msg_id": f"{number}.{n}"})

    talkers = [threading.Thread(target=talk, args=(n,)) for n in range(10)]
    for talker in talkers:
        talker.start()
    heard = [[client.wait_for(lambda f: "seq" in f)["seq"] for _ in range(52)] for client in clients]
    for talker in talkers:
        talker.join()

    assert heard == [list(range(1, 53))] * 10


@pytest.fixture
def pair(build: Build, box: Box, postgres_url: str, redis_url: str) -> tuple[House, str]:
    """A house and the URL of another server, a process of its own, on the same database and Redis."""
    shared = {
        "REPLYX_DATA_DIR": str(box.data_dir),
        "REPLYX_DATABASE__URL": postgres_url,
        "REPLYX_REDIS__URL": redis_url,
        "REPLYX_LIMITS__ENABLED": "false",
        "REPLYX_SECURITY__SECRET_KEY": os.urandom(32).hex(),
    }
    house = build(with_worker=True, **shared)
    other = box.start("server", "--port", "0", **shared)
    return house, other.wait_for_line(r"^ready (http://\S+)$", 60).group(1)


def test_what_is_said_at_one_server_is_heard_at_another(pair: tuple[House, str]) -> None:
    house, other = pair
    session = house.session(house.assistant())
    here, there = house.socket(session), _socket_at(house, other, session)

    here.send({"type": "send_message", "text": "Позовите оператора"})

    assert [there.next()["type"] for _ in range(2)] == ["new_message", "handoff_requested"]


def test_a_logout_at_one_server_ends_sockets_at_another(pair: tuple[House, str]) -> None:
    house, other = pair
    session = house.session(house.assistant())
    token = house.token(house.anna)
    away = house.api()
    away.base_url = other
    socket = house.stack.enter_context(away.socket(f"/ws/dialogs/{session['dialog_id']}?token={token}")).let_in()

    house.api(Authorization=f"Bearer {token}").post("/api/auth/logout")

    assert socket.close_code() == 4401


def test_without_redis_news_comes_from_the_record_within_seconds(
    pair: tuple[House, str], redis_server: RedisServer
) -> None:
    house, other = pair
    session = house.session(house.assistant())
    there = _socket_at(house, other, session)
    redis_server.kill()
    try:
        house.visitor(session).post(
            f"/api/widget/dialogs/{session['dialog_key']}/messages", {"text": "Позовите оператора"}
        )
        assert [there.next()["seq"] for _ in range(2)] == [1, 2]
    finally:
        redis_server.start_again()


def _socket_at(house: House, url: str, session: Json) -> Socket:
    away = house.api()
    away.base_url = url
    path = f"/ws/dialogs/{session['dialog_key']}?token={session['visitor_token']}"
    return house.stack.enter_context(away.socket(path, Origin=SITE)).let_in()
