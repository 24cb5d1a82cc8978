"""`replyx up` and the roles as real processes: ready lines, the first start, one directory for one, a clean end."""

from __future__ import annotations

import json
import re
import signal
import sqlite3

import pytest

from replyx.cli.exits import ExitCode
from tests.support.http import Api
from tests.support.processes import Box, Program
from tests.support.programs import free_port, wait_until


def _up(box: Box, *arguments: str) -> tuple[Program, str]:
    """A running `replyx up` and its address."""
    program = box.start("up", "--port", "0", *arguments)
    return program, program.wait_for_line(r"^ready (http://\S+)$")[1]


def _password(program: Program) -> str | None:
    found = re.search(r"^password (\S+)$", program.out, re.MULTILINE)
    return found[1] if found else None


def test_the_first_start_prints_a_password_that_logs_in_and_the_second_prints_none(box: Box) -> None:
    first, address = _up(box)
    password = _password(first)
    with Api(address) as api:
        body = api.post("/api/auth/login", {"email": "admin@replyx.local", "password": password})
    ended = first.terminate()
    second, _ = _up(box)

    assert body["user"]["is_admin"]
    assert ended.code == 0, ended.err
    assert re.findall(r"^administrator (\S+)$", first.out, re.MULTILINE) == ["admin@replyx.local"]
    assert re.findall(r"^administrator (\S+)$", second.out, re.MULTILINE) == ["admin@replyx.local"]
    assert _password(second) is None
    assert password is not None
    assert re.fullmatch(r"[A-Za-z0-9]{16}", password)
    assert password not in ended.err + second.err


def test_the_widgets_line_names_the_address_that_really_serves(box: Box) -> None:
    program, address = _up(box)
    wait_until(lambda: f'"{address}/widget.js"' in box.run("assistants", "show", "1").out, 15, "the address")
    public = box.run("assistants", "show", "1", REPLYX_SERVER__PUBLIC_URL="https://help.example")
    program.terminate()
    ended = box.run("assistants", "show", "1")

    assert '"https://help.example/widget.js"' in public.out
    assert '"http://127.0.0.1:8000/widget.js"' in ended.out


def test_ready_is_one_line_alone_and_names_the_port_that_was_asked_for(box: Box) -> None:
    port = free_port()

    program = box.start("up", "--host", "127.0.0.1", "--port", str(port))
    program.wait_for_line("^ready")

    assert [line for line in program.out.splitlines() if "ready" in line] == [f"ready http://127.0.0.1:{port}"]


def test_the_first_start_makes_an_assistant_that_the_demo_page_shows(box: Box) -> None:
    program, address = _up(box, "--admin-email", "boss@example.com")

    with Api(address) as api:
        assert api.request("GET", "/demo").status_code == 200
        token = api.post("/api/auth/login", {"email": "boss@example.com", "password": _password(program)})[
            "access_token"
        ]
    with Api(address, token) as api:
        assistants = api.get("/api/assistants")
    assert [(row["name"], row["website_integration"]) for row in assistants] == [("Ассистент", True)]
    assert assistants[0]["ai_model"] == "extractive"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(box: Box, number: signal.Signals) -> None:
    program, _ = _up(box)
    # Every role has signed in, so that every role has to sign off.
    _wait_for_roles(box, {"server", "worker", "bots"})

    program.signal(number)
    ended = program.wait()

    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err
    with sqlite3.connect(box.data_dir / "replyx.db") as rows:
        assert rows.execute("SELECT role FROM process_beats").fetchall() == []
    rows.close()


def test_a_second_up_on_the_same_data_directory_is_refused(box: Box) -> None:
    first, _ = _up(box)

    second = box.run("up", "--port", "0")

    assert second.code == ExitCode.EXIT_RUNNING
    assert (second.out, len(second.err.splitlines())) == ("", 1)
    assert str(first.pid) in second.err
    assert first.is_running


def test_after_a_kill_the_next_start_finds_the_directory_free(box: Box) -> None:
    first, _ = _up(box)
    first.kill()

    second, _ = _up(box)

    assert second.is_running


def test_up_works_on_postgresql_and_redis_and_gives_an_empty_database_its_schema(
    box: Box, empty_postgres_url: str, redis_url: str
) -> None:
    box.environment |= {"REPLYX_DATABASE__URL": empty_postgres_url, "REPLYX_REDIS__URL": redis_url}

    program, address = _up(box)

    with Api(address) as api:
        api.post("/api/auth/login", {"email": "admin@replyx.local", "password": _password(program)})
    assert program.terminate().code == 0


@pytest.mark.parametrize("role", ["server", "worker", "bots"])
def test_a_role_of_its_own_is_refused_where_nothing_connects_it_to_the_others(box: Box, role: str) -> None:
    done = box.run(role)

    assert done.code == ExitCode.EXIT_CONFIG
    assert len(done.err.splitlines()) == 1
    assert "redis.url" in done.err
    assert "replyx up" in done.err


def test_three_roles_run_as_three_processes(box: Box, postgres_url: str, redis_url: str) -> None:
    box.environment |= {"REPLYX_DATABASE__URL": postgres_url, "REPLYX_REDIS__URL": redis_url}

    server, worker, bots = box.start("server", "--port", "0"), box.start("worker"), box.start("bots")
    server.wait_for_line(r"^ready http://127\.0\.0\.1:\d+$")
    worker.wait_for_line("^ready worker$")
    bots.wait_for_line(r"^ready bots \(0 configured\)$")
    _wait_for_roles(box, {"server", "worker", "bots"})

    assert [program.terminate().code for program in (server, worker, bots)] == [0, 0, 0]


def _wait_for_roles(box: Box, roles: set[str]) -> None:
    """Wait until each role has beaten once."""

    def beat() -> bool:
        processes = json.loads(box.run("status", "--json").out)["processes"]
        return roles <= {process["role"] for process in processes if process["alive"]}

    wait_until(beat, 30, f"{roles} did not sign in")
