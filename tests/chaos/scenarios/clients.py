"""Faults of clients: places in a dialog that never were, slow readers, a server that dies while it tells the past."""

from __future__ import annotations

import json
import random
import time
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.chaos.checker.recovery import recoveries, spread
from tests.chaos.load.widget import visitors
from tests.chaos.scenarios.guest import Guest
from tests.chaos.scenarios.table import Asked, Finding, proven, scenario
from tests.chaos.scenarios.trial import STUCK, Trial, trial
from tests.chaos.tenants import SITE
from tests.support.programs import wait_until

#: Places that a client may claim to have seen, and what is to come of each.
_BEYOND = (10**6, 2**31, 2**53)
_WRONG: tuple[Any, ...] = (-1, -(2**40), "7", None, 1.5, [], {}, True)


@scenario(
    "F27",
    "a socket resumes in the future, before the beginning, in another's dialog, with nonsense",
    "told to begin anew, refused or closed; nothing of another dialog is heard",
    "edges/test_socket.py::test_a_client_that_knows_more_than_happened_is_told_to_begin_anew",
    "edges/test_socket_rights.py::test_nobody_hears_a_dialog_that_is_not_theirs",
)
def wrong_places(asked: Asked) -> Finding:
    with trial(asked, "F27") as made:
        guest, stranger = Guest(made), Guest(made)
        guest.say("вопрос первый: Когда доставка?")
        stranger.say("вопрос чужой: Есть ли гарантия?")
        for place in _BEYOND:
            heard = _resume(made, guest, guest, place)
            # A number that no dialog can reach is no number at all.
            is_told = "resync" in _types(heard) or (place >= 2**31 and "error" in _types(heard))
            made.finding.require(is_told, f"resumed at {place}: {_types(heard)}")
        for wrong in _WRONG:
            heard = _resume(made, guest, guest, wrong)
            is_refused = "error" in _types(heard) or "closed" in _types(heard)
            made.finding.require(is_refused, f"resumed at {wrong!r}: {_types(heard)}")
        for place in (0, 1, 10**6, -1):
            heard = _resume(made, stranger, guest, place)
            made.finding.require("new_message" not in _types(heard), f"another's dialog was told at {place}")
        made.finding.figures.append(f"{len(_BEYOND) + len(_WRONG) + 4} wrong places")
        made.more(20)
    return made.finding


def _resume(made: Trial, who: Guest, whose: Guest, place: Any) -> list[dict[str, Any]]:
    """What `who` is told that resumes `whose` dialog at this place, within a second; `closed` ends it."""
    url = f"{made.machine.url.replace('http', 'ws', 1)}/ws/dialogs/{whose.session['dialog_key']}"
    heard: list[dict[str, Any]] = []
    until = time.monotonic() + 1.0
    try:
        with connect(url, origin=Origin(SITE), compression=None, proxy=None, open_timeout=20) as socket:
            socket.send(json.dumps({"type": "auth", "token": who.session["visitor_token"]}))
            socket.send(json.dumps({"type": "resume", "last_seq": place}))
            while (left := until - time.monotonic()) > 0 or not heard:
                said = socket.recv(timeout=max(left, 5.0) if not heard else left)
                if said != "__ping__":
                    heard.append(json.loads(said))
    except TimeoutError:
        return heard
    except (ConnectionClosed, OSError) as error:
        heard.append({"type": "closed", "why": str(error)})
    return heard


def _types(heard: list[dict[str, Any]]) -> list[str]:
    return [str(frame.get("type")) for frame in heard]


@scenario(
    "F30", "the server dies again while clients are told what they missed", "no event missed, doubled, disordered"
)
def killed_in_replay(asked: Asked) -> Finding:
    dice = random.Random(asked.seed)
    kinds = [visitors("anna", 15), visitors("boris", 15)]
    with trial(asked, "F30", kinds=kinds, mixture=[(1, {"words_per_second": 60})]) as made:
        for _ in range(asked.times * 2):
            made.strike("server")
            made.machine.kill("server")
            wait_until(lambda: made.machine.readiness().get("ready"), STUCK, "the server does not come back")
            # All come back in these moments, and ask for what they have missed.
            time.sleep(dice.random())
            made.machine.kill("server")
            made.recover()
    made.finding.figures.append(f"{asked.times * 4} kills, {len(made.story.rows['connected'])} connections")
    made.finding.expect("longest wait for an answer", spread(recoveries(made.story))[1], 30)
    return made.finding


proven(
    "F29",
    "clients that read nothing, write slowly, or ignore the ping",
    "a bounded queue each; cut off; closed after 60 s of silence; nobody else waits",
    "edges/test_socket_liveness.py::test_a_reader_that_takes_nothing_has_a_bounded_queue_and_is_cut_off",
    "edges/test_socket_liveness.py::test_a_socket_is_pinged_every_25_seconds_and_closed_after_60_of_silence",
    "edges/test_socket_liveness.py::test_a_slow_reader_disturbs_nobody",
    "edges/test_socket_rights.py::test_whoever_does_not_prove_itself_in_time_is_closed",
)
