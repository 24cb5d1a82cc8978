"""Documents in, questions answered, the installation examined: the command line beside a running ReplyX and alone."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replyx.cli.exits import ExitCode
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.support.http import Api
from tests.support.processes import Box, Program, open_box
from tests.support.programs import wait_until

_HANDBOOK = """# Returns

You can return goods within 14 days of the purchase if you keep the receipt.

# Opening hours

The shop in Tver is open from nine in the morning to seven in the evening, also on Sundays.

# Delivery

A courier brings the parcel within three working days; delivery to Kamchatka takes two weeks.
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any]]:
    """A folder with an administrator, the first assistant and its handbook, and what adding that printed."""
    with open_box(tmp_path_factory.mktemp("template")) as box:
        assert box.run("init", "--yes", "--admin-email", "boss@example.com").code == 0
        (box.folder / "handbook.md").write_text(_HANDBOOK, encoding="utf-8")
        yield box.folder, _json(box, "knowledge", "add", "1", "handbook.md", "--wait")


@pytest.fixture
def shop(box: Box, template: tuple[Path, Any]) -> Box:
    """An installation whose assistant knows its handbook."""
    shutil.copytree(template[0], box.folder, dirs_exist_ok=True)
    return box


@pytest.fixture
def empty_shop(box: Box) -> Box:
    """An installation whose assistant knows nothing yet; the handbook lies beside it."""
    assert box.run("init", "--yes").code == 0
    (box.folder / "handbook.md").write_text(_HANDBOOK, encoding="utf-8")
    return box


def _json(box: Box, *arguments: str, expect: int = 0) -> Any:
    done = box.run(*arguments, "--json")
    assert done.code == expect, done.err
    return json.loads(done.out)


def _started(box: Box) -> tuple[Program, str]:
    """A running `replyx up` and its address."""
    program = box.start("up", "--port", "0")
    return program, program.wait_for_line(r"^ready (http://\S+)$")[1]


def test_a_document_is_added_and_a_question_answered_from_it_and_paid(shop: Box, template: tuple[Path, Any]) -> None:
    _, added = template
    answer = _json(shop, "ask", "1", "How many days do I have to return goods?")
    unknown = _json(shop, "ask", "1", "Who painted the Mona Lisa?")
    found = _json(shop, "knowledge", "search", "1", "delivery to Kamchatka")

    assert [(row["status"], row["chunks_count"] > 0) for row in added] == [("completed", True)]
    assert (answer["outcome"], answer["engine"], answer["price"]) == ("answered", "extractive", 5.0)
    assert "14 days" in answer["text"]
    assert answer["sources"][0]["filename"] == "handbook.md"
    assert answer["sources"][0]["score"] > 0.5
    assert (unknown["outcome"], unknown["sources"], unknown["price"]) == ("not_found", [], 0.0)
    assert found["answerable"] is True
    assert "Kamchatka" in found["results"][0]["text"]
    statement = _json(shop, "billing", "statement", "boss@example.com")
    assert [row["amount"] for row in statement] == [-5.0, 500.0]
    assert [row["platform"] for row in _json(shop, "dialogs", "list")] == ["api", "api"]


def test_people_get_the_answer_its_sources_and_its_price(shop: Box) -> None:
    done = shop.run("ask", "Ассистент", "When is the shop in Tver open?")

    assert done.code == 0, done.err
    assert done.out.count("nine in the morning") == 1, "the answer is shown once"
    assert re.search(r"1 +handbook\.md +– +Opening hours +[01]\.\d+", done.out)
    assert done.out.splitlines()[-1] == "engine extractive · 5.00 RUB"


def test_without_wait_the_running_process_reads_the_document(empty_shop: Box) -> None:
    program, _ = _started(empty_shop)

    added = _json(empty_shop, "knowledge", "add", "1", "handbook.md")

    assert added[0]["status"] == "processing"
    wait_until(
        lambda: _json(empty_shop, "knowledge", "list")[0]["status"] == "completed", 60, "the document was not read"
    )
    assert program.terminate().code == 0


def test_a_question_is_answered_once_beside_a_running_process(shop: Box) -> None:
    _started(shop)

    answer = _json(shop, "ask", "1", "How long does delivery to Kamchatka take?")

    assert "two weeks" in answer["text"]
    dialog = _json(shop, "dialogs", "show", str(answer["dialog_id"]))
    assert [message["sender"] for message in dialog["messages"]] == ["user", "assistant"]


def test_a_question_for_a_person_is_passed_on(shop: Box) -> None:
    answer = _json(shop, "ask", "1", "I want to talk to a human")

    assert (answer["outcome"], answer["price"]) == ("handoff", 0.0)
    assert _json(shop, "dialogs", "list", "--handoff", "requested")[0]["id"] == answer["dialog_id"]


def test_without_money_there_is_no_answer_and_the_exit_code_says_so(shop: Box) -> None:
    price = _json(shop, "assistants", "set", "1", "--price", "9999")["price"]

    answer = _json(shop, "ask", "1", "How long does delivery to Kamchatka take?", expect=ExitCode.EXIT_FAILED)

    assert price == 9999.0
    assert (answer["outcome"], answer["price"]) == ("unavailable", 0.0)


def test_removed_documents_are_not_found_and_the_index_can_be_made_anew(shop: Box) -> None:
    document = _json(shop, "knowledge", "list")[0]

    assert _json(shop, "knowledge", "rebuild")["chunks"] == document["chunks_count"]
    assert _json(shop, "knowledge", "search", "1", "Kamchatka")["results"]
    assert shop.run("knowledge", "remove", str(document["id"]), "--yes").code == 0
    assert _json(shop, "knowledge", "list") == []
    assert shop.run("knowledge", "remove", str(document["id"]), "--yes").code == ExitCode.EXIT_NOT_FOUND


def test_a_dialog_is_exported_and_deleted(shop: Box) -> None:
    number = str(_json(shop, "ask", "1", "Hello")["dialog_id"])

    assert shop.run("dialogs", "export", number, "-o", "dialog.json").code == 0
    assert json.loads((shop.folder / "dialog.json").read_text())["messages"][0]["text"] == "Hello"
    assert shop.run("dialogs", "delete", number, "--yes").code == 0
    assert _json(shop, "dialogs", "list") == []


def test_on_a_terminal_progress_is_shown_and_the_document_read_at_once(empty_shop: Box) -> None:
    shown = _on_terminal(empty_shop, "knowledge", "add", "1", "handbook.md")

    assert "handbook.md" in shown
    assert "completed" in shown
    assert _json(empty_shop, "knowledge", "list")[0]["status"] == "completed"


def test_status_looks_again_and_again_until_it_is_told_to_end(shop: Box) -> None:
    watching = shop.start("status", "--watch", "--every", "0.2", "--json")
    wait_until(lambda: watching.out.count("\n") >= 2, 60, "there was no second look")

    watching.signal(signal.SIGINT)
    done = watching.wait()

    looks = [json.loads(line) for line in done.out.splitlines() if line]
    assert {look["counts"]["users"] for look in looks} == {1}
    assert (done.code, done.err) == (0, "")


def test_status_shows_what_runs(shop: Box) -> None:
    before = _json(shop, "status")
    _started(shop)

    def roles() -> set[str]:
        return {process["role"] for process in _json(shop, "status")["processes"] if process["alive"]}

    assert before["processes"] == []
    assert before["counts"] == {"users": 1, "assistants": 1, "documents": 1, "dialogs": 0, "handoffs": 0}
    wait_until(lambda: roles() == {"server", "worker", "bots"}, 30, "not all roles beat")
    assert "worker" in shop.run("status").out


def test_doctor_finds_a_healthy_installation_healthy_and_its_own_port_ours(shop: Box) -> None:
    _, address = _started(shop)

    shop.environment["REPLYX_SERVER__PORT"] = address.rpartition(":")[2]
    report = _json(shop, "doctor")

    states = {check["name"]: check["state"] for check in report["checks"]}
    assert report["ok"] is True
    assert "fail" not in states.values()
    assert "ReplyX" in next(check["text"] for check in report["checks"] if check["name"] == "port")
    assert {"settings", "data directory", "master key", "disk", "processor", "redis", "database"} <= set(states)
    assert {"durability", "schema", "AI keys", "models", "knowledge", "queue", "processes"} <= set(states)


def test_doctor_names_the_command_that_mends_each_fault(shop: Box) -> None:
    (shop.data_dir / "secret.key").chmod(0o644)
    shop.environment["REPLYX_REDIS__URL"] = "redis://127.0.0.1:1/0"

    report = _json(shop, "doctor", expect=ExitCode.EXIT_FAILED)

    failed = {check["name"]: check["mend"] for check in report["checks"] if check["state"] == "fail"}
    assert report["ok"] is False
    assert failed["master key"] == f"chmod 600 {shop.data_dir / 'secret.key'}"
    assert failed["redis"] == "systemctl start redis-server"


def test_doctor_looks_and_makes_nothing(box: Box) -> None:
    report = _json(box, "doctor")

    assert {check["name"]: check["mend"] for check in report["checks"]}["database"] == "replyx init"
    assert not box.data_dir.exists()


def test_doctor_speaks_of_broken_settings_too(box: Box) -> None:
    (box.folder / "replyx.toml").write_text("[server]\nprot = 1\n")

    report = _json(box, "doctor", expect=ExitCode.EXIT_FAILED)

    assert [(check["name"], check["state"]) for check in report["checks"]] == [("settings", "fail")]


def _on_terminal(box: Box, *arguments: str) -> str:
    """All that `replyx ARGUMENTS…` shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "replyx", *arguments]
    environment = {**box.environment, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        command, cwd=box.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as child:
        os.close(theirs)
        shown = _read_all(ours, time.monotonic() + 60)
        assert child.wait(60) == 0, shown
    os.close(ours)
    return shown


def _read_all(terminal: int, deadline: float) -> str:
    pieces: list[bytes] = []
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            # How a terminal says that nobody holds its other end any more.
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")


def test_an_answer_under_way_at_the_end_is_written_once_after_the_next_start(shop: Box) -> None:
    with FakeLLM(Scenario(text="slow " * 1000, words_per_second=5)) as llm:
        token = ("--name", "main", "--base-url", llm.base_url, "--models", "fake-model", "--token-stdin")
        assert shop.run("tokens", "add", *token, stdin="sk-test-0123456789abcdef\n").code == 0
        site_token = _json(shop, "assistants", "set", "1", "--model", "fake-model")["site_token"]
        program, address = _started(shop)
        number = _ask_in_widget(address, site_token, "How long does delivery to Kamchatka take?")
        wait_until(lambda: llm.open_answers, 30, "the model was not asked")

        ended = program.terminate()
        llm.standing = Scenario(text="Two weeks.")
        _started(shop)

        def said() -> list[str]:
            messages = _json(shop, "dialogs", "show", str(number))["messages"]
            return [message["text"] for message in messages if message["sender"] == "assistant"]

        wait_until(said, 30, "no answer came after the start")
    assert ended.code == 0, ended.err
    assert said() == ["Two weeks [1]."]
    assert [row["amount"] for row in _json(shop, "billing", "statement", "boss@example.com")] == [-5.0, 500.0]
    assert _json(shop, "billing", "verify")["ok"] is True


def _ask_in_widget(address: str, site_token: str, question: str) -> int:
    """Ask as a visitor of the appliance's own page; answers the dialog's id."""
    with Api(address, Origin=address, **{"X-Site-Token": site_token}) as page:
        session = page.post("/api/widget/sessions", {})
    with Api(address, session["visitor_token"], Origin=address) as visitor:
        visitor.post(f"/api/widget/dialogs/{session['dialog_key']}/messages", {"text": question})
    number: int = session["dialog_id"]
    return number
