"""Faults of people: several take one dialog at once, things are deleted while they are used, one floods all others."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2

from tests.chaos.checker.record import query
from tests.chaos.checker.recovery import spread
from tests.chaos.machine import Plan
from tests.chaos.scenarios.guest import Guest
from tests.chaos.scenarios.table import Asked, Finding, scenario
from tests.chaos.scenarios.trial import Trial, trial
from tests.chaos.tenants import PASSWORD, SITE

#: Who takes a dialog at once, each so often.
_PEOPLE, _TRIES = 4, 5

_emails = itertools.count(1)


@scenario(
    "F49",
    "many take one dialog while the assistant answers in it",
    "exactly one gets it; the assistant says nothing over a person",
    "domain/test_answering.py::test_take_and_reply_at_the_same_moment_never_both_win",
)
def handoff_race(asked: Asked) -> Finding:
    rounds = 20 * asked.times
    with trial(asked, "F49", mixture=[(1, {}), (1, {"delay": 0.2})]) as made:
        tokens = [made.people["anna"].operator_token, *(_operator(made) for _ in range(_PEOPLE - 1))]
        winners: Counter[int] = Counter()
        with ThreadPoolExecutor(_PEOPLE * _TRIES) as pool:
            for number in range(rounds):
                guest = Guest(made)
                guest.say(f"вопрос {number}: Когда доставка?")
                taken = list(pool.map(lambda t, d=guest.dialog: _take(made, t, d), tokens * _TRIES))
                # Who has it may take it again; nobody else may.
                winners[len({token for token, status in taken if status == 200})] += 1
                bad = {status for _, status in taken} - {200, 409}
                made.finding.require(not bad, f"takes were answered with {bad}")
        made.more(20)
    made.finding.figures.append(f"{rounds} races of {_PEOPLE * _TRIES} takes")
    made.finding.require(set(winners) == {1}, f"dialogs by the number of their winners: {dict(winners)}")
    return made.finding


def _operator(made: Trial) -> str:
    """One more operator of Anna's; a token of it."""
    email = f"operator-{next(_emails)}@example.com"
    made.machine.cli(
        "users", "create", email, "--operator-of", "anna@example.com", "--password-stdin", stdin=f"{PASSWORD}\n"
    )
    body = {"email": email, "password": PASSWORD}
    answer = httpx2.post(f"{made.machine.url}/api/auth/login", json=body, timeout=30, trust_env=False)
    token: str = answer.json()["access_token"]
    return token


def _take(made: Trial, token: str, dialog: int) -> tuple[str, int]:
    url = f"{made.machine.url}/api/dialogs/{dialog}/handoff/take"
    answer = httpx2.post(url, json={}, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
    return token, answer.status_code


#: Rows that must not outlive what they belong to: table, column, the table of the other.
_BELONGS = (
    ("assistants", "user_id", "users"),
    ("dialogs", "assistant_id", "assistants"),
    ("messages", "dialog_id", "dialogs"),
    ("events", "dialog_id", "dialogs"),
    ("replies", "dialog_id", "dialogs"),
    ("documents", "assistant_id", "assistants"),
    ("chunks", "document_id", "documents"),
    ("deliveries", "message_id", "messages"),
)


@scenario(
    "F48",
    "assistants, documents and users are deleted while they are used",
    "no 5xx; no row, chunk or file is left without what it belongs to",
    "edges/test_rest_leaving.py::test_a_deleted_account_leaves_no_row_file_or_vector",
    "domain/test_knowledge_ingestion.py::test_a_document_deleted_while_it_is_read_stays_deleted",
)
def deleted_in_use(asked: Asked) -> Finding:
    seen: Counter[int] = Counter()
    with trial(asked, "F48", mixture=[(1, {"delay": 0.1})]) as made:
        # What these customers say is nobody's to judge: their dialogs are gone.
        made.excused["I1"] = made.excused["I7"] = made.excused["I6"] = (
            "messages of deleted assistants are gone with them"
        )
        for number in range(4 * asked.times):
            _use_and_delete(made, number, seen)
        made.more(20)
        time.sleep(1)
        for table, column, other in _BELONGS:
            left = f"SELECT COUNT(*) AS n FROM {table} WHERE {column} NOT IN (SELECT id FROM {other})"
            count = query(made.machine.database_url, left)[0]["n"]
            made.finding.require(not count, f"{count} rows of {table} belong to no {column}")
    made.finding.figures.append(f"answers by status: {dict(sorted(seen.items()))}")
    made.finding.require(not [s for s in seen if s >= 500], f"answers by status: {dict(seen)}")
    return made.finding


def _use_and_delete(made: Trial, number: int, seen: Counter[int]) -> None:
    """A tenant of its own: customers ask and documents come in, and in the middle of it something is deleted."""
    with httpx2.Client(base_url=made.machine.url, timeout=30, trust_env=False) as client:
        person = {"email": f"gone-{next(_emails)}@example.com", "password": PASSWORD}
        token = client.post("/api/auth/register", json=person).json()["access_token"]
        owner = {"Authorization": f"Bearer {token}"}
        body = {"name": "G", "ai_model": "fake-model", "website_integration": True, "allowed_domains": ["shop.example"]}
        assistant = client.post("/api/assistants", json=body, headers=owner).json()
        document = _upload(client, owner, assistant["id"], "first")
        paths = {
            0: f"/api/assistants/{assistant['id']}",
            1: f"/api/documents/{document.json()['id']}",
            2: "/api/users/me",
        }
        gone = threading.Event()
        users = [
            threading.Thread(target=_until, args=(gone, seen, lambda: _ask(made, assistant["site_token"])))
            for _ in range(3)
        ]
        users.append(
            threading.Thread(
                target=_until, args=(gone, seen, lambda: [_upload(client, owner, assistant["id"], "more").status_code])
            )
        )
        for user in users:
            user.start()
        time.sleep(0.3)
        body_of = {"json": {"password": PASSWORD}} if number % 3 == 2 else {}
        seen[client.request("DELETE", paths[number % 3], headers=owner, **body_of).status_code] += 1  # type: ignore[arg-type]
        time.sleep(0.3)
        gone.set()
        for user in users:
            user.join()


def _until(gone: threading.Event, seen: Counter[int], work: Callable[[], list[int]]) -> None:
    while not gone.is_set():
        for status in work():
            seen[status] += 1


def _ask(made: Trial, site_token: str) -> list[int]:
    """A session and a message of it: the statuses."""
    with httpx2.Client(base_url=made.machine.url, timeout=30, trust_env=False) as client:
        headers = {"X-Site-Token": site_token, "Origin": SITE}
        opened = client.post("/api/widget/sessions", json={}, headers=headers)
        if opened.status_code != 201:
            return [opened.status_code]
        session = opened.json()
        path = f"/api/widget/dialogs/{session['dialog_key']}/messages"
        headers = {"Authorization": f"Bearer {session['visitor_token']}", "Origin": SITE}
        return [201, client.post(path, json={"text": "Когда доставка?"}, headers=headers).status_code]


def _upload(client: httpx2.Client, owner: dict[str, str], assistant: int, name: str) -> Any:
    return client.post(
        "/api/documents/upload",
        data={"assistant_id": str(assistant)},
        files={"file": (f"{name}.txt", "Слова о доставке. ".encode() * 200)},
        headers=owner,
    )


@scenario(
    "F50",
    "one tenant floods logins, uploads and the API for half a minute",
    "limits are exact (5 logins, 10 uploads in five minutes, 100 calls a minute); others' p95 ≤ 2 x or 0.5 s",
    "edges/test_rest_limits.py",
    "edges/test_socket.py::test_more_than_fifty_messages_a_minute_end_the_socket_after_an_error",
    "domain/test_limits.py",
)
def flood(asked: Asked) -> Finding:
    plan = Plan(asked.database, settings={"REPLYX_LIMITS__ENABLED": "true", "REPLYX_LIMITS__API_PER_MINUTE": "400"})
    with trial(asked, "F50", plan=plan, customers=2) as made:
        boris, anna = made.people["boris"], made.people["anna"]
        before = _probe(made, anna.token, 10)
        over = threading.Event()
        passed: dict[str, Counter[int]] = {"logins": Counter(), "uploads": Counter()}
        floods = {
            "logins": lambda: _login(made, "flooded@example.com"),
            "uploads": lambda: _one_upload(made, boris.token, boris.assistant_id),
        }
        threads = [
            threading.Thread(target=_until, args=(over, passed[name], work))
            for name, work in floods.items()
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        during = _probe(made, anna.token, 30)
        over.set()
        for thread in threads:
            thread.join()
    tried = {name: sum(counts.values()) for name, counts in passed.items()}
    through = {name: tried[name] - counts[429] for name, counts in passed.items()}
    made.finding.figures.append(f"tried {tried}, let through {through}")
    made.finding.require(through["logins"] <= 5 and through["uploads"] <= 10, f"let through: {through}")
    p95_before, p95 = spread(before)[0], spread(during)[0]
    made.finding.figures.append(f"a neighbour's p95 {p95_before:.3f} s before")
    made.finding.expect("during", round(p95, 3), max(0.5, 2 * p95_before))
    return made.finding


def _probe(made: Trial, token: str, seconds: float) -> list[float]:
    """How long a neighbour's calls take, two a second."""
    took: list[float] = []
    until = time.monotonic() + seconds
    with httpx2.Client(base_url=made.machine.url, timeout=30, trust_env=False) as client:
        while time.monotonic() < until:
            start = time.monotonic()
            client.get("/api/dialogs?limit=5", headers={"Authorization": f"Bearer {token}"}).raise_for_status()
            took.append(time.monotonic() - start)
            time.sleep(0.5)
    return took


def _login(made: Trial, email: str) -> list[int]:
    body = {"email": email, "password": "not-the-password-1"}
    return [httpx2.post(f"{made.machine.url}/api/auth/login", json=body, timeout=30, trust_env=False).status_code]


def _one_upload(made: Trial, token: str, assistant: int) -> list[int]:
    with httpx2.Client(base_url=made.machine.url, timeout=30, trust_env=False) as client:
        return [_upload(client, {"Authorization": f"Bearer {token}"}, assistant, "flood").status_code]
