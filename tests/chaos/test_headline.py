"""A short headline run on each database; `make chaos` is the long one. And the judge sees every fault planted in it."""

from __future__ import annotations

import ast
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.checker.judging import INVARIANTS, judge
from tests.chaos.headline import Outcome, Run, carry_out
from tests.chaos.machine import DatabaseKind, Plan

#: Fixed, so that a failure can be had again.
_SEED = 7

Rows = list[dict[str, object]]


def _short_run(folder: Path, database: DatabaseKind) -> Outcome:
    # A second of pause before each restart is systemd's; here it would only be waited for.
    plan = Plan(database, restart_seconds=0.2)
    few = {"messages": 110, "kills": 6, "customers": 14, "answers_of_the_poor": 3}
    return carry_out(Run(folder, plan, _SEED, **few, documents=False))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sqlite_run(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return _short_run(tmp_path_factory.mktemp("chaos"), "sqlite")


def _assert_nothing_wrong(outcome: Outcome) -> None:
    assert outcome.verdict.is_good, f"seed {_SEED}, history {outcome.history}\n{outcome.verdict}"
    figures = outcome.verdict.figures
    assert (figures["lost"], figures["doubled"], figures["ledger difference"]) == (0, 0, 0)
    assert figures["kills"] == 6
    assert figures["accepted"] >= 100


def test_on_sqlite_nothing_is_lost_doubled_or_charged_wrongly_while_everything_is_killed(sqlite_run: Outcome) -> None:
    _assert_nothing_wrong(sqlite_run)


def test_on_postgresql_nothing_is_lost_doubled_or_charged_wrongly_while_everything_is_killed(tmp_path: Path) -> None:
    _assert_nothing_wrong(_short_run(tmp_path / "chaos", "postgres"))


def _sql(*statements: str) -> Callable[[Path, Path], None]:
    """A fault in the database. What the database itself refuses is taken out of the way first."""

    def plant(database: Path, _history: Path) -> None:
        with closing(sqlite3.connect(database)) as connection:
            for kind, name in connection.execute(
                "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"
            ).fetchall():
                connection.execute(f'DROP {kind} "{name}"')
            connection.execute("PRAGMA ignore_check_constraints = 1")
            changed = sum(connection.execute(statement).rowcount for statement in statements)
            connection.commit()
        assert changed > 0, "the fault was not planted"

    return plant


def _history(change: Callable[[Rows], Rows]) -> Callable[[Path, Path], None]:
    """A fault in what clients saw."""

    def plant(_database: Path, history: Path) -> None:
        rows = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
        history.write_text("".join(json.dumps(row) + "\n" for row in change(rows)), encoding="utf-8")

    return plant


def _last(rows: Rows, **wanted: object) -> dict[str, object]:
    return next(row for row in reversed(rows) if wanted.items() <= row.items())


def _without_last_event(rows: Rows) -> Rows:
    missed = _last(rows, op="event", sender="assistant")
    return [row for row in rows if row is not missed]


def _with(**row: object) -> Callable[[Rows], Rows]:
    return lambda rows: [*rows, {"t": 999.0, **row}]


def _twice(**wanted: object) -> Callable[[Rows], Rows]:
    return lambda rows: [*rows, _last(rows, **wanted)]


def _answers_of_dialogs_that_were_taken() -> str:
    return (
        'UPDATE events SET payload = replace(payload, \'"sender":"operator"\', \'"sender":"assistant"\')'
        " WHERE type = 'new_message' AND EXISTS (SELECT 1 FROM events AS s WHERE s.dialog_id = events.dialog_id"
        " AND s.type = 'handoff_started' AND s.seq < events.seq)"
    )


def _without_what_a_chat_showed(rows: Rows) -> Rows:
    shown = _last(rows, op="told", method="sendMessage")
    return [row for row in rows if row.get("op") != "told" or row["text"] != shown["text"]]


def _with_a_second_copy(rows: Rows) -> Rows:
    return [*rows, {**_last(rows, op="told", method="sendMessage"), "message": 10**9}]


_OK = "SELECT min(id) FROM messages WHERE sender = 'user'"
_ANSWER = "SELECT min(id) FROM messages WHERE outcome = 'answered'"
_COPIED = "seq, sender, text, operator_name, external_id, reply_id, engine, outcome, sources, created_at"
_CAPTURE = "SELECT min(id) FROM ledger_transfers WHERE kind = 'capture'"

#: A fault, and the invariant that must see it.
_PLANTED: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "a message is lost": ("I1", _sql(f"DELETE FROM messages WHERE id = ({_OK})")),
    "a message is stored twice": (
        "I1",
        _sql(
            f"INSERT INTO messages (dialog_id, {_COPIED}) SELECT dialog_id, {_COPIED} FROM messages WHERE id = ({_OK})"
        ),
    ),
    "a message is changed": ("I1", _sql(f"UPDATE messages SET text = text || '!' WHERE id = ({_OK})")),
    "a refused message is stored": ("I1", _history(lambda rows: [_refused(row, rows) for row in rows])),
    "a message that nobody sent": ("I1", _sql(f"UPDATE messages SET external_id = 'nobody' WHERE id = ({_OK})")),
    "an answer never comes": ("I2", _sql("UPDATE replies SET state = 'pending' WHERE state = 'done'")),
    "a message is answered twice": (
        "I2",
        _sql(
            "UPDATE replies SET first_seq = 1 WHERE state = 'done' AND first_seq > 1 AND EXISTS"
            " (SELECT 1 FROM replies AS r WHERE r.dialog_id = replies.dialog_id AND r.first_seq = 1)"
        ),
    ),
    "an answer is owed to nobody": ("I2", _sql(f"UPDATE messages SET reply_id = NULL WHERE id = ({_ANSWER})")),
    "a message has no answer": ("I2", _sql("DELETE FROM replies")),
    "an answer is not seen": ("I3", _history(_without_last_event)),
    "an answer is seen twice": ("I3", _history(_twice(op="event", sender="assistant"))),
    "an answer is delivered twice": (
        "I3",
        _sql(
            f"INSERT INTO messages (dialog_id, {_COPIED}) SELECT dialog_id, {_COPIED} FROM messages"
            f" WHERE id = ({_ANSWER})"
        ),
    ),
    "a message of Telegram is lost": (
        "I1",
        _sql("DELETE FROM messages WHERE id = (SELECT min(id) FROM messages WHERE external_id LIKE 'tg:%')"),
    ),
    "an answer does not stand in its chat": ("I3", _history(_without_what_a_chat_showed)),
    "an answer stands in its chat twice, and nobody was in doubt": ("I3", _history(_with_a_second_copy)),
    "a delivery is never made": ("I3", _sql("UPDATE deliveries SET state = 'new' WHERE id = 1")),
    "events out of turn": ("I4", _sql("UPDATE events SET seq = seq + 1 WHERE seq > 2")),
    "an event without its message": ("I4", _sql(f"DELETE FROM messages WHERE id = ({_ANSWER})")),
    "a kopeck from nowhere": ("I5", _sql("UPDATE ledger_entries SET amount = amount + 1 WHERE id = 1")),
    "a cached balance that is wrong": ("I5", _sql("UPDATE users SET balance = balance + 500 WHERE id = 2")),
    "a balance below zero": ("I5", _sql("UPDATE users SET balance = -1 WHERE id = 2")),
    "an answer for nothing": ("I6", _sql(f"DELETE FROM ledger_transfers WHERE id = ({_CAPTURE})")),
    "a wrong price": ("I6", _sql(f"UPDATE ledger_transfers SET amount = 1 WHERE id = ({_CAPTURE})")),
    "a hold that is left": ("I6", _sql("UPDATE holds SET state = 'open' WHERE id = 1")),
    "a hold that moved no money": ("I6", _sql("DELETE FROM ledger_transfers WHERE kind = 'hold'")),
    "calls without end": ("I7", _history(_with(op="llm", counts={"whole": 100_000}))),
    "another tenant's words": (
        "I8",
        _sql(
            "UPDATE messages SET text = (SELECT min(text) FROM messages WHERE text LIKE 'canaryboris%')"
            " WHERE id = (SELECT min(id) FROM messages WHERE text LIKE 'canaryanna%')"
        ),
    ),
    "talked over": ("I9", _sql(_answers_of_dialogs_that_were_taken())),
    "calls that were not counted": ("I10", _sql("UPDATE ai_tokens SET monthly_usage = 0, daily_usage = 0")),
    "a document without its words": (
        "I11",
        _sql(
            "INSERT INTO documents (assistant_id, filename, content_type, size, sha256, storage_name, status, pages,"
            " chunks_count, attempts, fence, lease_until, created_at)"
            " VALUES (1, 'a', 'text/plain', 1, '', 'a', 'completed', 1, 1, 1, 1, 0, 0)"
        ),
    ),
    "never healthy again": ("I12", _history(_with(op="unhealthy", why="the worker is dead"))),
    "healthy late": ("I12", _history(_with(op="healthy", seconds=31.0))),
    "a crash": ("I12", _history(_with(op="ended", unit="server", code=1, asked=False))),
    "an end that takes its time": ("I12", _history(_with(op="drained", seconds={"server": 11.0}))),
}


def _refused(row: dict[str, object], rows: Rows) -> dict[str, object]:
    return {**row, "op": "fail"} if row is _last(rows, op="ok") else row


@pytest.mark.parametrize("fault", _PLANTED)
def test_the_judge_sees_what_is_wrong(sqlite_run: Outcome, tmp_path: Path, fault: str) -> None:
    _assert_nothing_wrong(sqlite_run)
    invariant, plant = _PLANTED[fault]
    for file in (sqlite_run.history.parent / "data").glob("replyx.db*"):
        shutil.copy(file, tmp_path)
    history = Path(shutil.copy(sqlite_run.history, tmp_path))
    plant(tmp_path / "replyx.db", history)

    verdict = judge(history, f"sqlite:///{tmp_path / 'replyx.db'}")

    assert invariant in verdict.wrong


def test_every_invariant_has_a_fault_that_it_must_see() -> None:
    assert {invariant for invariant, _ in _PLANTED.values()} == set(INVARIANTS)


def test_the_judge_knows_nothing_of_replyx() -> None:
    own = Path(__file__).with_name("checker")
    imported = {
        name
        for file in own.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in _imports(node)
    }

    assert {name for name in imported if name.startswith(("replyx", "tests.")) and "chaos.checker" not in name} == set()


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
