"""Faults of the model, and of what it is asked: silence, broken and endless streams, garbage, a message that kills."""

from __future__ import annotations

import base64
import random
import signal
import time
from functools import partial

from tests.chaos.checker.record import Row, query
from tests.chaos.checker.recovery import answered, spread
from tests.chaos.machine import Plan
from tests.chaos.scenarios.guest import Guest
from tests.chaos.scenarios.table import Asked, Finding, scenario
from tests.chaos.scenarios.trial import STUCK, Trial, trial
from tests.support.programs import wait_until

#: Deaths after which a message is given up.
_TRIES = 5

#: Characters of an answer at most, whatever the model sends.
_LONGEST = 16_384


def _raw(body: bytes) -> dict[str, object]:
    """A stream of these bytes."""
    return {"raw": base64.b64encode(body).decode()}


def _piece(text: str) -> bytes:
    return b'data: {"choices": [{"index": 0, "delta": {"content": "' + text.encode() + b'"}}]}\n\n'


_END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'

#: What is no answer, and what is a strange one.
_GARBAGE: tuple[dict[str, object], ...] = (
    _raw(bytes(range(256)) * 20),
    _raw(b'data: {"choices": [\n\n'),
    _raw(b'data: {"choices": [{"delta": {"content": NaN}}]}\n\n' + _END),
    _raw(b"data: " + b"[" * 100_000 + b"\n\n"),
    _raw(_END),
    _raw(_piece("Ответ\\u0000 с нулём \\ud800 и \\u202e задом наперёд") + _END),
    _raw(_piece("слово " * 300) * 100 + _END),
)


@scenario(
    "F12",
    "a message kills whoever answers it",
    "given up after five deaths, with an apology and a person; neighbours p95 ≤ 10 s",
    "kills/test_poison.py::test_a_message_that_kills_five_workers_ends_in_an_apology_and_a_handoff_while_others_are_answered",
)
def poison(asked: Asked) -> Finding:
    with trial(asked, "F12", mixture=[(1, {"delay": 1.5})]) as made:
        guest = Guest(made)
        guest.say("сообщение, от которого умирают")
        deaths = 0
        deadline = time.monotonic() + STUCK
        while (reply := _reply(made, guest.dialog))["state"] in ("pending", "working") and time.monotonic() < deadline:
            if reply["state"] == "working" and (pid := _writer(reply["trace"])) is not None:
                made.strike("poison", pid=pid)
                # It works for a moment before it dies of it.
                time.sleep(1.0)
                deaths += _kill(made, pid)
                wait_until(partial(_is_taken_up, made, reply), STUCK, "nobody takes it up")
            time.sleep(0.02)
        made.recover()
        words = query(made.machine.database_url, f"SELECT outcome FROM messages WHERE reply_id = {reply['id']}")
        dialog = query(made.machine.database_url, f"SELECT handoff_status FROM dialogs WHERE id = {guest.dialog}")
    made.finding.expect("deaths", deaths, _TRIES, "")
    made.finding.require(reply["state"] == "dead", f"the reply is {reply['state']} after {deaths} deaths")
    made.finding.require([row["outcome"] for row in words] == ["unavailable"], f"the customer was told {words}")
    made.finding.require(dialog[0]["handoff_status"] == "requested", f"no person was called: {dialog}")
    made.finding.expect("neighbours waited p95", spread(_waits(made))[0], 10)
    return made.finding


def _reply(made: Trial, dialog: int) -> Row:
    return query(made.machine.database_url, f"SELECT * FROM replies WHERE dialog_id = {dialog}")[0]


def _is_taken_up(made: Trial, before: Row) -> bool:
    return bool(_reply(made, before["dialog_id"])["fence"] > before["fence"])


def _writer(trace: str | None) -> int | None:
    """The pid in the name of who writes an answer."""
    parts = (trace or "").split(":")
    return int(parts[-2]) if len(parts) > 3 and parts[-2].isdigit() else None


def _kill(made: Trial, pid: int) -> bool:
    """Kill a worker, if it still is one of this machine's."""
    name = next((n for n in made.machine.roles if made.machine.supervisor[n].pid == pid), None)
    return name is not None and made.machine.kill(name) is not None


def _waits(made: Trial) -> list[float]:
    return [end - since for since, end in answered(made.story)]


@scenario("F31", "every fifth call of the model is never answered", "ends ≤ 60 s, once more elsewhere; holds released")
def silent_model(asked: Asked) -> Finding:
    with trial(asked, "F31", customers=20, mixture=[(4, {}), (1, {"silent": True})]) as made:
        made.more(60 * asked.times, seconds=STUCK)
    made.finding.expect("longest wait for an answer", round(max(_waits(made)), 1), 60)
    return made.finding


@scenario(
    "F33",
    "streams of the model are cut at random bytes",
    "no half message is shown as whole; at most one more generation each",
    "edges/test_remote_engine_bad_streams.py::test_an_answer_cut_at_any_byte_is_never_shown_as_whole",
)
def cut_streams(asked: Asked) -> Finding:
    dice = random.Random(asked.seed)
    cuts: list[tuple[float, dict[str, object]]] = [(1, {"cut_after": dice.randint(1, 900)}) for _ in range(20)]
    with trial(asked, "F33", mixture=[(60, {}), *cuts]) as made:
        made.more(100 * asked.times)
    made.finding.require(not (half := _half_answers(made)), f"shown as whole: {half[:3]}")
    made.finding.expect("longest wait for an answer", round(max(_waits(made)), 1), 60)
    return made.finding


def _half_answers(made: Trial) -> list[str]:
    """Answers of the model that do not end with what was asked, as the load's model repeats it."""
    rows = query(
        made.machine.database_url, "SELECT text FROM messages WHERE outcome = 'answered' AND engine = 'remote'"
    )
    asked = {sent.text for sent in made.story.sent.values()}
    return [row["text"] for row in rows if not any(row["text"].endswith(text[-60:]) for text in asked)]


@scenario(
    "F34",
    "the model sends garbage: bytes, broken JSON, brackets, NUL, surrogates, too much",
    "no crash; what is stored is text of at most 16 Ki characters",
    "edges/test_remote_engine_bad_streams.py",
)
def garbage(asked: Asked) -> Finding:
    with trial(asked, "F34", mixture=[(14, {}), *((1, row) for row in _GARBAGE)]) as made:
        made.more(100 * asked.times)
    texts = [row["text"] for row in query(made.machine.database_url, "SELECT text FROM messages")]
    made.finding.expect("longest text stored, in characters", max(map(len, texts)), _LONGEST, "")
    bad = [text for text in texts if "\0" in text or any(0xD800 <= ord(sign) < 0xE000 for sign in text)]
    made.finding.require(not bad, f"stored: {bad[:1]!r}")
    return made.finding


@scenario(
    "F35",
    "a worker stands still until another has its lease, and goes on",
    "what it still writes is refused: nothing doubled",
    "domain/test_answering.py::test_a_worker_thought_dead_changes_nothing_when_it_wakes",
)
def late_answers(asked: Asked) -> Finding:
    with trial(asked, "F35", customers=20, mixture=[(1, {"words_per_second": 15})]) as made:
        for number in range(asked.times * 2):
            name = f"worker-{number % 2 + 1}"
            wait_until(partial(_is_writing, made, name), STUCK, "it writes nothing")
            made.strike(name)
            made.machine.supervisor.send(name, signal.SIGSTOP)
            # Longer than a lease: whatever it had in hand is another's by then.
            time.sleep(9)
            made.machine.supervisor.send(name, signal.SIGCONT)
            made.recover()
        taken = query(made.machine.database_url, "SELECT COUNT(*) AS n FROM replies WHERE fence > 1")[0]["n"]
    made.finding.figures.append(f"{taken} answers were taken over")
    made.finding.require(taken >= asked.times, "hardly an answer was taken over")
    return made.finding


def _is_writing(made: Trial, name: str) -> bool:
    rows = query(made.machine.database_url, "SELECT trace FROM replies WHERE state = 'working'")
    return made.machine.supervisor[name].pid in {_writer(row["trace"]) for row in rows}


@scenario("F37", "the model drips a word a second", "the cap of an answer's time holds; others wait no longer for it")
def slow_drip(asked: Asked) -> Finding:
    cap, drip = 10, {"text": "слово " * 500, "words_per_second": 1}
    plan = Plan(asked.database, settings={"REPLYX_ANSWERS__TIMEOUT_SECONDS": str(cap)})
    with trial(asked, "F37", plan=plan, customers=20, mixture=[(9, {}), (1, drip)]) as made:
        made.more(100 * asked.times)
    waits = sorted(_waits(made))
    # A first try and one more, each up to the cap, and the pause between them.
    made.finding.expect("longest wait for an answer", round(waits[-1], 1), 2 * cap + 25)
    made.finding.expect("wait of 70 of 100", round(waits[len(waits) * 7 // 10], 1), 10)
    return made.finding
