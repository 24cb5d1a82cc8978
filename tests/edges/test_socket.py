"""The socket's frames: what goes in, what comes out, in which order, and once."""

from __future__ import annotations

import json
import threading

import pytest
from websockets.exceptions import ConnectionClosed

from replyx.dialogs.inbox import Inbox
from replyx.dialogs.postbox import Postbox
from replyx.dialogs.writing import Writing
from replyx.events.memory import MemoryBus
from replyx.events.outbox import Outbox
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.types import Channel, InboundMessage
from tests.edges.conftest import Build
from tests.support.house import SITE, House
from tests.support.http import Json, Socket


def _say(house: House, session: Json, text: str) -> int:
    """The customer says something elsewhere; the message's number."""
    inbound = InboundMessage(Channel.WEBSITE, session["dialog_id"], text)
    return house.app.inbox.receive(inbound).message.seq


def _events(socket: Socket, count: int) -> list[Json]:
    """The next frames that have a number."""
    return [socket.wait_for(lambda frame: "seq" in frame) for _ in range(count)]


def _teach(house: House, assistant: Json) -> None:
    house.api(house.anna).post(
        "/api/qa-knowledge",
        {"assistant_id": assistant["id"], "question": "Как вернуть товар?", "answer": "В течение 14 дней."},
        expect=201,
    )


def test_a_customer_and_an_operator_talk_and_both_hear_everything_in_order(both: House) -> None:
    assistant = both.assistant()
    _teach(both, assistant)
    session = both.session(assistant)
    visitor, operator = both.socket(session), both.desk_socket(both.anna, session["dialog_id"])

    visitor.send({"type": "send_message", "text": "Как вернуть товар?", "client_msg_id": "c-1"})
    asked, answered = _events(visitor, 2)
    operator.send({"type": "send_message", "text": "Я рядом", "operator_name": "Анна", "client_msg_id": "o-1"})
    (said,) = _events(visitor, 1)

    assert asked == {
        "type": "new_message",
        "dialog_id": session["dialog_id"],
        "message": asked["message"],
        "seq": 1,
        "timestamp": asked["timestamp"],
    }
    assert (asked["message"]["sender"], asked["message"]["client_msg_id"]) == ("user", "c-1")
    assert answered["message"]["text"] == "В течение 14 дней."
    assert (said["message"]["operator_name"], said["message"]["client_msg_id"]) == ("Анна", "o-1")
    assert _events(operator, 3) == [asked, answered, said]


def test_deltas_come_before_their_message_and_have_no_number(both: House) -> None:
    with FakeLLM(Scenario(text="Вернуть товар можно в течение четырнадцати дней.")) as llm:
        both.app.ai_tokens.add("fake", "sk-test-0123456789", base_url=llm.base_url, model_access=["fake-model"])
        socket = both.socket(both.session(both.assistant(ai_model="fake-model")))
        socket.send({"type": "send_message", "text": "Как вернуть товар?"})
        done = socket.wait_for(lambda f: f["type"] == "new_message" and f["message"]["sender"] == "assistant")

    deltas = [frame for frame in socket.frames if frame["type"] == "message_delta"]
    assert "".join(frame["text"] for frame in deltas) == done["message"]["text"] == llm.standing.text
    assert [frame["index"] for frame in deltas] == list(range(len(deltas)))
    assert {frame["reply_id"] for frame in deltas} == {done["message"]["reply_id"]}
    assert not any("seq" in frame for frame in deltas)
    assert "ai_typing" in {frame["type"] for frame in socket.frames}


def test_nothing_is_replayed_until_it_is_asked_for(house: House) -> None:
    session = house.session(house.assistant())
    for n in range(1, 4):
        _say(house, session, f"m{n}")
    socket = house.socket(session)

    live = _say(house, session, "live")
    assert [event["seq"] for event in _events(socket, 1)] == [live] == [4]
    socket.send({"type": "resume", "last_seq": 1})
    assert [event["seq"] for event in _events(socket, 3)] == [2, 3, 4]
    _say(house, session, "next")
    assert [event["seq"] for event in _events(socket, 1)] == [5]


def test_a_long_absence_is_made_up_for_while_more_happens(both: House) -> None:
    session = both.session(both.assistant())
    both.app.handoffs.take(both.app.accounts.authenticate(both.token(both.anna)), session["dialog_id"])
    before = 240
    for n in range(before):
        _say(both, session, f"{n} " + "слово " * 200)
    socket = both.socket(session)
    talker = threading.Thread(target=lambda: [_say(both, session, f"more {n}") for n in range(40)])

    talker.start()
    socket.send({"type": "resume", "last_seq": 0})
    seqs = [event["seq"] for event in _events(socket, before + 40 + 2)]
    talker.join()

    assert seqs == list(range(1, before + 40 + 3))


def _say_unheard(house: House, session: Json, text: str) -> None:
    """The customer says something through a process that shares the database and no bus."""
    app = house.app
    db, unheard = app.db, MemoryBus()
    writing = Writing(db, Outbox(db, unheard), app.queue, app.ledger, app.clock, app.plugins, Postbox(db, unheard))
    inbound = InboundMessage(Channel.WEBSITE, session["dialog_id"], text)
    Inbox(app.db, writing, app.handoffs, app.config).receive(inbound)


def test_news_whose_hint_was_lost_is_found_in_the_record(house: House) -> None:
    session = house.session(house.assistant())
    socket = house.socket(session)
    _say(house, session, "heard")
    assert [event["seq"] for event in _events(socket, 1)] == [1]

    _say_unheard(house, session, "lost")

    assert [event["seq"] for event in _events(socket, 1)] == [2]


def test_a_gap_in_what_is_heard_is_filled_before_going_on(house: House) -> None:
    session = house.session(house.assistant())
    socket = house.socket(session)
    _say(house, session, "heard")
    _say_unheard(house, session, "lost")
    _say(house, session, "next")

    assert [event["seq"] for event in _events(socket, 3)] == [1, 2, 3]


def test_a_client_that_knows_more_than_happened_is_told_to_begin_anew(house: House) -> None:
    session = house.session(house.assistant())
    socket = house.socket(session)

    socket.send({"type": "resume", "last_seq": 7})

    assert socket.next() == {"type": "resync", "dialog_id": session["dialog_id"], "last_seq": 0}


def test_the_same_message_twice_is_one_and_is_echoed_to_whoever_did_not_hear(house: House) -> None:
    session = house.session(house.assistant())
    first = house.socket(session)
    frame = {"type": "send_message", "text": "Один раз", "client_msg_id": "m-1"}

    first.send(frame)
    first.send(frame)
    first.send({"type": "read", "seq": 1})
    heard = _events(first, 2)
    second = house.socket(session)
    second.send(frame)
    again = _events(second, 1)

    assert [event["type"] for event in heard] == ["new_message", "read"]
    assert again == heard[:1]
    assert len(house.visitor(session).get(f"/api/widget/dialogs/{session['dialog_key']}/messages")["messages"]) == 1


def test_typing_and_reading_reach_the_other_side_only(house: House) -> None:
    session = house.session(house.assistant())
    visitor, operator = house.socket(session), house.desk_socket(house.anna, session["dialog_id"])
    _say(house, session, "Здравствуйте")
    _events(visitor, 1)
    _events(operator, 1)

    visitor.send({"type": "typing"})
    assert operator.next()["type"] == "user_typing"
    operator.send({"type": "typing", "operator_name": "Анна"})
    typed = visitor.next()
    operator.send({"type": "read", "seq": 1})
    read = visitor.next()

    assert {**typed, "timestamp": ""} == {
        "type": "operator_typing",
        "dialog_id": session["dialog_id"],
        "operator_name": "Анна",
        "timestamp": "",
    }
    assert (read["type"], read["reader"], read["read_seq"], read["seq"]) == ("read", "operator", 1, 2)
    assert operator.next()["type"] == "read"
    assert [frame["type"] for frame in visitor.frames] == ["new_message", "operator_typing", "read"]


def test_a_bad_frame_is_answered_in_the_contracts_form_and_the_socket_goes_on(house: House) -> None:
    session = house.session(house.assistant())
    socket = house.socket(session)
    for frame, code, field in (
        ("{", "BAD_REQUEST", None),
        ("[]", "BAD_REQUEST", None),
        ("__ping__", "BAD_REQUEST", None),
        ({"type": "handoff"}, "VALIDATION_ERROR", "type"),
        ({"type": ["send_message"]}, "VALIDATION_ERROR", "type"),
        ({"type": "send_message"}, "VALIDATION_ERROR", "text"),
        ({"type": "send_message", "text": 5}, "VALIDATION_ERROR", "text"),
        ({"type": "send_message", "text": " "}, "VALIDATION_ERROR", "text"),
        ({"type": "send_message", "text": "x", "sender": "operator"}, "VALIDATION_ERROR", "sender"),
        ({"type": "resume", "last_seq": -1}, "VALIDATION_ERROR", "last_seq"),
        ({"type": "resume", "last_seq": 2**40}, "VALIDATION_ERROR", "last_seq"),
        ('{"type": "read", "type": "resume", "last_seq": 0}', "VALIDATION_ERROR", "type"),
    ):
        socket.send(frame)
        answer = socket.next()
        assert (answer["type"], answer["error"]["code"]) == ("error", code), frame
        assert answer["error"]["details"].get("field") == field, frame
    socket.send({"type": "send_message", "text": "", "client_msg_id": "m-9"})
    assert socket.next()["client_msg_id"] == "m-9"
    for wrong in ({"type": "send_mesage"}, {"type": "send_message"}, {"type": "send_message", "text": 1}):
        socket.send({**wrong, "client_msg_id": "m-10"})
        assert socket.next()["client_msg_id"] == "m-10"
    socket.send({"type": "send_message", "text": "x", "client_msg_id": "m" * 129})
    assert "client_msg_id" not in socket.next()
    socket.send("__pong__")
    socket.send({"type": "auth", "token": "late"})
    assert socket.next()["error"]["code"] == "NOT_AUTHENTICATED"
    socket.send({"type": "send_message", "text": "всё ещё здесь"})
    assert socket.next()["type"] == "new_message"


def test_handoff_events_are_the_contracts(house: House) -> None:
    session = house.session(house.assistant())
    socket = house.socket(session)
    api = house.api(house.anna)
    path = f"/api/dialogs/{session['dialog_id']}/handoff"

    socket.send({"type": "send_message", "text": "Позовите оператора"})
    message, requested = _events(socket, 2)
    api.post(f"{path}/take", {"operator_name": "Анна"})
    started, joined = _events(socket, 2)
    api.post(f"{path}/release")
    (released,) = _events(socket, 1)

    assert message["seq"] == 1
    assert (requested["type"], requested["reason"], requested["queue_position"]) == ("handoff_requested", "keyword", 1)
    assert started["manager"] == {"id": house.anna.id, "name": "Анна", "avatar": None}
    assert joined["message"]["text"] == "Оператор Анна подключился к диалогу"
    assert released["type"] == "handoff_released"
    assert "handoff_note" not in json.dumps(socket.frames)


def test_frames_that_are_binary_or_too_large_end_the_socket(house: House) -> None:
    session = house.session(house.assistant())
    binary, large = house.socket(session), house.socket(session)

    binary.connection.send(b'{"type": "typing"}')
    large.send("x" * 70_000)

    assert binary.close_code() == 1003
    assert large.close_code() == 1009


def test_more_than_fifty_messages_a_minute_end_the_socket_after_an_error(build: Build) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true", REPLYX_LIMITS__SOCKET_MESSAGES_PER_MINUTE="3")
    session = house.session(house.assistant())
    socket = house.socket(session)

    for n in range(4):
        socket.send({"type": "send_message", "text": f"{n}", "client_msg_id": f"m-{n}"})
    error = socket.wait_for(lambda frame: frame["type"] == "error")

    assert (error["error"]["code"], error["client_msg_id"]) == ("RATE_LIMITED", "m-3")
    assert socket.close_code() == 4429
    again = house.socket(session)
    again.send({"type": "send_message", "text": "снова"})
    assert again.close_code() == 4429


def test_a_visitor_has_a_bounded_number_of_sockets(build: Build) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true")
    session = house.session(house.assistant())

    sockets = [house.socket(session) for _ in range(20)]
    for socket in sockets:
        assert socket.let_in().connection.close_code is None

    assert house.socket(session).close_code() == 4429


def test_the_first_frame_may_bring_the_token(house: House) -> None:
    session = house.session(house.assistant())
    socket = house.stack.enter_context(house.api().socket(session["socket_url"], Origin=SITE))

    socket.send({"type": "auth", "token": session["visitor_token"]})
    socket.send({"type": "send_message", "text": "Привет"})

    assert socket.next()["message"]["text"] == "Привет"


def test_the_server_closes_with_1012_when_it_stops(house: House) -> None:
    socket = house.socket(house.session(house.assistant()))

    house.serving.end()

    with pytest.raises(ConnectionClosed):
        socket.next()
    assert socket.connection.close_code == 1012
